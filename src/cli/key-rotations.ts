// `countersign key rotations`: rotations of many rings, begun, watched and cancelled.
import type { Command } from 'commander';
import { type Api, segment } from './api.ts';
import { addNoun, addVerb } from './command.ts';
import { Failure } from './failure.ts';
import { integer } from './options.ts';
import type { Outside } from './outside.ts';
import { listOptions, type ListOptions, more, readPages } from './pages.ts';
import { steadily } from './patience.ts';
import { renewedApi } from './renewed.ts';
import { fields, table } from './text.ts';

export interface Rotation {
  id: string;
  state: string;
  total: number;
  actor: string;
  reason: string;
  created_at: string;
}

export interface Progress extends Rotation {
  done: number;
  waiting: number;
  held: number;
  failed: number;
  next_at?: string;
  reasons: { code: string; count: number }[];
  failures: { ring: string; code: string; detail: string }[];
}

export const rotationPath = (id: string): string => `/v1/rotations/${segment(id)}`;
export const POLL_MS = 2_000;

/** A week: longer than a standby is young by the default policy. */
const LONGEST_WAIT_S = 604_800;

export const addTimeout = (command: Command): Command =>
  command.option(
    '--timeout <seconds>',
    'give up waiting after so long; the rotation goes on',
    integer(1, 31_536_000),
    LONGEST_WAIT_S,
  );

/** @param seconds waited @param id of the rotation, where the service keeps a record of it @param line what it waits for */
export function ranOut(seconds: number, id: string | undefined, line: string): Failure {
  const look = id === undefined ? 'countersign key show' : `countersign key rotations show ${id} --wait`;
  return new Failure('wait_timeout', `It has not ended after ${seconds} s: ${line}.`, {
    hint: `The rotation goes on by itself. To wait again: ${look}`,
  });
}

/** One line: what is done of how many, and what the rest waits for. */
export function progressLine({ done, total, waiting, held, failed, next_at: next, reasons }: Progress): string {
  const parts = [`${done} of ${total} rotated`];
  if (waiting > 0) parts.push(`${waiting} waiting`);
  if (held > 0) parts.push(`${held} held`);
  if (failed > 0) parts.push(`${failed} failed`);
  if (reasons.length > 0) parts.push(reasons.map(({ code, count }) => `${code} ${count}`).join(' '));
  if (next !== undefined) parts.push(`next at ${next}`);
  return parts.join(', ');
}

/**
 * Looks until the rotation has ended; a line on a terminal that is written over, else a line for each change.
 * @param timeout seconds
 * @throws Failure `wait_timeout`: it goes on
 */
export async function watchRotation(
  api: Api,
  id: string,
  outside: Outside,
  { quiet, timeout }: { quiet: boolean; timeout: number },
): Promise<Progress> {
  const until = outside.now() + timeout * 1000;
  let before = '';
  for (;;) {
    const found = (await steadily(() => api.get(rotationPath(id)), outside, until)) as Progress;
    const line = progressLine(found);
    const ended = found.state !== 'running';
    if (!quiet && (line !== before || ended)) {
      const over = outside.stderr.isTTY === true;
      outside.stderr.write(over ? `\r\u001b[K${line}${ended ? '\n' : ''}` : `${line}\n`);
    }
    before = line;
    if (ended) return found;
    if (outside.now() >= until) throw ranOut(timeout, id, line);
    await outside.sleep(POLL_MS);
  }
}

export function addRotationsCommands(key: Command, outside: Outside): void {
  const rotations = addNoun(key, 'rotations', 'rotations of many rings: how far they are');
  addVerb<ListOptions>(rotations, outside, {
    usage: 'list',
    summary: 'List rotations of many rings, newest first.',
    examples: ['countersign key rotations list'],
    options: listOptions,
    run: async ({ api, options, show }) => {
      const page = await readPages<Rotation>(await api(), '/v1/rotations', {}, options);
      const rows = page.items.map(({ id, state, total, created_at: at, actor, reason }) => [
        id,
        state,
        total,
        at,
        actor,
        reason,
      ]);
      show(page, (paint) => table(paint, ['ID', 'STATE', 'RINGS', 'BEGUN', 'BY', 'REASON'], rows) + more(page));
    },
  });
  addVerb<{ wait?: true; timeout: number }>(rotations, outside, {
    usage: 'show <id>',
    summary: 'Show how far a rotation is, and what it waits for.',
    examples: ['countersign key rotations show ro_…', 'countersign key rotations show ro_… --wait'],
    options: (command) => addTimeout(command.option('--wait', 'until it has ended')),
    run: async (call) => {
      const { args, options, outside: around, show } = call;
      const access = await renewedApi(call);
      const id = args[0] as string;
      const found = options.wait
        ? await watchRotation(access, id, around, { quiet: options.json === true, timeout: options.timeout })
        : ((await access.get(rotationPath(id))) as Progress);
      show(found, (paint) => fields(paint, Object.entries(found)));
    },
  });
  addVerb(rotations, outside, {
    usage: 'cancel <id>',
    summary: 'Begin no more rings of a rotation; what was rotated stays so.',
    changes: true,
    examples: ['countersign key rotations cancel ro_… --reason "wrong tenant"'],
    run: async ({ api, args, show }) => {
      const found = (await (await api()).send('POST', `${rotationPath(args[0] as string)}/cancel`)) as Progress;
      show(found, (paint) => fields(paint, Object.entries(found)));
    },
  });
}
