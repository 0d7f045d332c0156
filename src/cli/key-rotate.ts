// `countersign key rotate`: one ring, queued or in the call; or many, each as soon as its conditions hold.
import type { Command } from 'commander';
import { segment } from './api.ts';
import type { Call } from './call.ts';
import { addVerb } from './command.ts';
import { usage } from './failure.ts';
import { algorithmOption } from './key-hold.ts';
import { type Queued, waitForNextKey } from './key-rotate-wait.ts';
import { addTimeout, type Rotation, watchRotation } from './key-rotations.ts';
import type { Ring } from './key-timeline.ts';
import { given, integer, keyValue } from './options.ts';
import type { Outside } from './outside.ts';
import { renewedApi } from './renewed.ts';
import { fields } from './text.ts';

interface RotateOptions {
  now?: true;
  algorithm?: string;
  all?: true;
  tenant?: string;
  label?: Record<string, string>;
  rate?: number;
  wait?: true;
  /** Seconds. */
  timeout: number;
}

/** Whether many rings are meant: a selection, or what only a rotation of many has. */
function meansMany(issuers: readonly string[], { all, tenant, label, rate }: RotateOptions): boolean {
  return issuers.length > 1 || [all, tenant, label, rate].some((option) => option !== undefined);
}

function readBody(issuers: readonly string[], { all, tenant, label, algorithm, rate }: RotateOptions): object {
  if (all && (issuers.length > 0 || tenant !== undefined || label !== undefined))
    throw usage('--all means every ring: leave the others out.');
  const none = issuers.length === 0 && !all && tenant === undefined && label === undefined;
  const named = none ? ['platform'] : issuers.length > 0 ? issuers : undefined;
  return given({ selection: given({ all, issuers: named, tenant, label, algorithm }), rate_per_minute: rate });
}

async function rotateOne(call: Call<RotateOptions>): Promise<void> {
  const { args, options, outside, note, show } = call;
  const { now, algorithm, wait, timeout } = options;
  if (now && wait) throw usage('--now is done in the call: there is nothing to wait for.');
  const issuer = args[0] ?? 'platform';
  const path = `/v1/keys/${segment(issuer)}`;
  const access = await renewedApi(call);
  const before = wait ? ((await access.get(path)) as { items: Ring[] }).items : [];
  const queued = (await access.send('POST', `${path}/rotate`, given({ now, algorithm }))) as Queued;
  const done = wait ? await waitForNextKey(access, issuer, queued, before, { outside, note, timeout }) : queued;
  show(done, (paint) => fields(paint, Object.entries(done)));
}

export function addRotateCommand(key: Command, outside: Outside): void {
  addVerb<RotateOptions>(key, outside, {
    usage: 'rotate [issuers...]',
    summary: 'Let the standby key sign: platform (unless given) or is_…; or of many rings.',
    about:
      'Queued until its conditions hold. With --now it is done in the call, or refused with the time from which it can be;\nno caller is refused either way, because the old key stays published. Many rings are rotated one after the other,\neach as soon as its conditions hold; the command may end, and the rotation goes on.\nWith --wait it says what a ring waits for, until the next key signs.',
    changes: true,
    examples: [
      'countersign key rotate --now --reason "quarterly exercise"',
      'countersign key rotate is_… --reason "…"',
      'countersign key rotate --wait --timeout 3600 --reason "INC-42"',
      'countersign key rotate --all --rate 300 --wait --reason "INC-42"',
      'countersign key rotate --label team=core --reason "…"',
    ],
    options: (command) =>
      addTimeout(command)
        .option('--now', 'in this call')
        .option('--all', 'every ring')
        .option('--tenant <tenant>', 'rings of the connections of a tenant')
        .option('--label <name=value>', 'rings of the connections with this label', keyValue)
        .option('--rate <number>', 'rings a minute at most, of all replicas together (default: 600)', integer(1, 6000))
        .option('--wait', 'show how far it is until it has ended, or the next key signs')
        .addOption(algorithmOption()),
    run: async (call) => {
      const { args, options, outside: around, show } = call;
      if (!meansMany(args, options)) return await rotateOne(call);
      if (options.now) throw usage('--now is for one ring: many are rotated each as soon as its conditions hold.');
      const body = readBody(args, options);
      const access = await renewedApi(call);
      const begun = (await access.send('POST', '/v1/rotations', body)) as Rotation;
      const watching = { quiet: options.json === true, timeout: options.timeout };
      const found = options.wait ? await watchRotation(access, begun.id, around, watching) : begun;
      show(found, (paint) => fields(paint, Object.entries(found)));
    },
  });
}
