// An incident from the first line to the report: show the steps, ask, do them, read what was signed, write.
import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Api, segment } from '../api.ts';
import type { Call } from '../call.ts';
import { Failure, usage } from '../failure.ts';
import type { Page } from '../pages.ts';
import { renewedApi } from '../renewed.ts';
import { sourceOf } from '../source.ts';
import { clean } from '../text.ts';
import { type Facts, readFacts } from './facts.ts';
import { buildNotice, type Notice, noticeText, type Owner } from './notice.ts';
import type { Done, Incident, Plan, Step } from './plan.ts';
import { buildReport, planText, type Report, reportText } from './report.ts';

export interface IncidentOptions {
  incident?: string;
  since?: string;
  before?: string;
  seal?: true;
  acceptOutage?: true;
  yes?: true;
  dryRun?: true;
  out?: string;
  reason?: string;
}

export interface Kind {
  name: string;
  /** How far back it looks where nobody says since when; milliseconds. */
  longest?: number;
  plan(api: Api, incident: Incident): Promise<Plan>;
}

/** Notices that are printed; of more there are files. */
const PRINTED = 10;
const REASON_AT_MOST = 440;

function openIncident({ options, outside }: Call<IncidentOptions>, { name, longest }: Kind): Incident {
  const { reason, since } = options;
  if (reason === undefined)
    throw usage('--reason is missing.', 'Add --reason "…"; it is kept with each act in the audit log.');
  if (reason.length > REASON_AT_MOST) throw usage(`--reason must be at most ${REASON_AT_MOST} characters long here.`);
  const now = new Date(outside.now()).toISOString();
  const from = since ?? (longest === undefined ? undefined : new Date(outside.now() - longest).toISOString());
  if (from === undefined)
    throw usage(
      '--since is missing: since when somebody may have it.',
      'If nobody knows: the last time it was surely safe, such as --since 30d.',
    );
  if (from > now) throw usage('--since is in the future.');
  const made = `INC-${now.slice(0, 16).replaceAll(/[-:]/g, '')}-${randomBytes(2).toString('hex')}`;
  return { id: options.incident ?? made, kind: name, reason, since: from, before: options.before ?? now };
}

/** What would fail at the end is found out at the beginning. */
function assertCanFinish({ options, outside }: Call<IncidentOptions>): void {
  if (options.out !== undefined) {
    try {
      mkdirSync(options.out, { recursive: true, mode: 0o700 });
      accessSync(options.out, constants.W_OK);
    } catch (error) {
      throw new Failure(
        'out_not_writable',
        `${options.out} cannot be written: ${(error as NodeJS.ErrnoException).code}.`,
        {
          hint: 'Nothing was done. Give --out another directory.',
        },
      );
    }
  }
  if (options.seal && sourceOf(outside.env, options).kind !== 'socket')
    throw usage(
      'While the service is sealed, tokens come from the socket of its host alone.',
      'Run it on the host, without COUNTERSIGN_CLIENT_ID and COUNTERSIGN_TOKEN; or seal first, and unseal later, by hand.',
    );
}

const SEAL: Step = {
  title: 'Seal the service',
  means: ['Nothing is minted from the commit on, on any replica, until `countersign unseal`. Callers get 503.'],
  run: async (api): Promise<Done> => {
    const state = (await api.send('POST', '/v1/service/seal')) as { changed: boolean; sealed_at?: string };
    return { at: state.sealed_at ?? '', what: state.changed ? 'Sealed.' : 'It was sealed before.' };
  },
};

/** @throws Failure (usage) where nobody said yes */
async function confirm(
  { options, outside, note }: Call<IncidentOptions>,
  incident: Incident,
  plan: Plan,
): Promise<void> {
  note(planText(incident, plan).split('\n').map(clean).join('\n'));
  if (plan.steps.length === 0 || options.dryRun) return;
  const asks = outside.ask && !options.yes && !options.json;
  if (plan.outage !== undefined && !options.acceptOutage && !asks)
    throw usage(`Nothing was done: ${plan.outage}.`, 'Add --accept-outage if it must be now.');
  if (options.yes) return;
  if (!asks || !outside.ask)
    throw usage(
      'Nothing was done: nobody is at a terminal to be asked.',
      'Add --yes to do it, or --dry-run to see what it would be.',
    );
  const outage = plan.outage !== undefined && !options.acceptOutage ? ' and accept the outage' : '';
  const answer = await outside.ask(`Do this${outage}? Type ${incident.id} to go on: `);
  if (answer.trim() !== incident.id) throw usage('Nothing was done.');
}

async function doSteps(
  { options, note }: Call<IncidentOptions>,
  api: Api,
  incident: Incident,
  plan: Plan,
): Promise<Done[]> {
  const done: Done[] = [];
  note(
    `If this is interrupted, go on with the same command and --incident ${incident.id} --since ${incident.since} --before ${incident.before}`,
  );
  for (const { title, run } of plan.steps) {
    try {
      const each = await run(api, note);
      done.push(each);
      note(`${each.at} ${each.what}`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      throw new Failure(error.code, `"${title}" stopped: ${error.message}`, {
        hint: `${error.hint ?? ''} What was done before it stays done (${done.length} of ${plan.steps.length} steps); the same command with --incident ${incident.id} --before ${incident.before} goes on${options.out ? '' : ', and writes the report'}.`.trim(),
        cause: error,
      });
    }
  }
  return done;
}

async function listOwners(
  api: Api,
  plan: Plan,
  facts: Facts | undefined,
  progress: (text: string) => void,
): Promise<Owner[]> {
  const { notices } = plan;
  if (notices === 'none') return [];
  if (notices === 'every') {
    const owners: Owner[] = [];
    let cursor: string | undefined;
    do {
      const page = (await api.get('/v1/connections', { limit: 200, cursor })) as Page<Owner>;
      owners.push(...page.items);
      cursor = page.next_cursor;
      if (cursor !== undefined) progress(`${owners.length} connections`);
    } while (cursor !== undefined);
    return owners;
  }
  const ids =
    notices === 'used' ? (facts?.connections ?? []).map(({ connection }) => connection) : [notices.connection];
  const owners: Owner[] = [];
  for (const id of ids) owners.push((await api.get(`/v1/connections/${segment(id)}`)) as Owner);
  return owners;
}

function write(directory: string, report: Report, letters: ReadonlyMap<string, string>): string[] {
  const files: [string, string][] = [
    [`${report.id}.md`, reportText(report, [])],
    [`${report.id}.json`, `${JSON.stringify(report, null, 2)}\n`],
    ...[...letters].map(([connection, letter]): [string, string] => [`${report.id}-${connection}.md`, letter]),
  ];
  for (const [name, text] of files) writeFileSync(join(directory, name), text, { mode: 0o600 });
  return files.map(([name]) => join(directory, name));
}

const latest = (times: readonly (string | undefined)[]): string | undefined =>
  times.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a), undefined);

export async function runIncident(call: Call<IncidentOptions>, kind: Kind): Promise<void> {
  const { options, outside, note, show } = call;
  const incident = openIncident(call, kind);
  assertCanFinish(call);
  const api = await renewedApi(call, `${incident.id}: ${incident.reason}`);
  const planned = await kind.plan(api, incident);
  const plan = options.seal ? { ...planned, steps: [SEAL, ...planned.steps] } : planned;
  await confirm(call, incident, plan);
  const done = options.dryRun ? [] : await doSteps(call, api, incident, plan);
  const now = outside.now();
  const facts = plan.question && (await readFacts(api, plan.question, { since: incident.since, now, progress: note }));
  const proof = await plan.proof?.(api);
  const containedAt = proof ?? latest(done.map(({ at }) => at)) ?? new Date(now).toISOString();
  const forgeriesUntil = proof === undefined ? latest(done.map((each) => each.forgeries_until)) : undefined;
  const letters = new Map<string, string>();
  const notices: Notice[] = [];
  for (const owner of await listOwners(api, plan, facts, note)) {
    const found = facts?.connections.find(({ connection }) => connection === owner.id);
    const notice = buildNotice(incident, owner, { containedAt, forgeriesUntil, userId: plan.userId });
    notices.push(notice);
    letters.set(
      owner.id,
      noticeText(incident, owner, found, notice, {
        leaked: plan.leaked,
        forgeriesUntil,
        complete: plan.complete === true,
      }),
    );
  }
  const report = buildReport(incident, plan, {
    ...{ written_at: new Date(now).toISOString(), dry_run: options.dryRun === true, done, contained_at: containedAt },
    ...{ proved: proof !== undefined, forgeries_until: forgeriesUntil, facts, notices },
  });
  if (options.out !== undefined) {
    const files = write(options.out, report, letters);
    note(`Written: ${files.slice(0, 5).join(', ')}${files.length > 5 ? ` and ${files.length - 5} more` : ''}`);
  }
  const printed = letters.size <= PRINTED ? [...letters.values()] : [];
  if (options.out === undefined && letters.size > PRINTED)
    note(`${letters.size} notices are not printed: give --out a directory.`);
  if (options.out !== undefined && !options.json) return;
  show(report, () => `${reportText(report, printed).split('\n').map(clean).join('\n')}\n`);
}
