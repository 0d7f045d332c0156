// `countersign key rotate`: one ring, queued or in the call; or many, each as soon as its conditions hold.
import type { Command } from 'commander';
import { segment } from './api.ts';
import { addVerb } from './command.ts';
import { usage } from './failure.ts';
import { algorithmOption } from './key-hold.ts';
import { type Rotation, watchRotation } from './key-rotations.ts';
import { given, integer, keyValue } from './options.ts';
import type { Outside } from './outside.ts';
import { fields } from './text.ts';

interface RotateOptions {
  now?: true;
  algorithm?: string;
  all?: true;
  tenant?: string;
  label?: Record<string, string>;
  rate?: number;
  wait?: true;
}

/** Whether many rings are meant: a selection, or what only a rotation of many has. */
function meansMany(issuers: readonly string[], { all, tenant, label, rate, wait }: RotateOptions): boolean {
  return issuers.length > 1 || [all, tenant, label, rate, wait].some((option) => option !== undefined);
}

function readBody(issuers: readonly string[], { all, tenant, label, algorithm, rate }: RotateOptions): object {
  if (all && (issuers.length > 0 || tenant !== undefined || label !== undefined))
    throw usage('--all means every ring: leave the others out.');
  const none = issuers.length === 0 && !all && tenant === undefined && label === undefined;
  const named = none ? ['platform'] : issuers.length > 0 ? issuers : undefined;
  return given({ selection: given({ all, issuers: named, tenant, label, algorithm }), rate_per_minute: rate });
}

export function addRotateCommand(key: Command, outside: Outside): void {
  addVerb<RotateOptions>(key, outside, {
    usage: 'rotate [issuers...]',
    summary: 'Let the standby key sign: platform (unless given) or is_…; or of many rings.',
    about:
      'Queued until its conditions hold. With --now it is done in the call, or refused with the time from which it can be;\nno caller is refused either way, because the old key stays published. Many rings are rotated one after the other,\neach as soon as its conditions hold; the command may end, and the rotation goes on.',
    changes: true,
    examples: [
      'countersign key rotate --now --reason "quarterly exercise"',
      'countersign key rotate is_… --reason "…"',
      'countersign key rotate --all --rate 300 --wait --reason "INC-42"',
      'countersign key rotate --label team=core --reason "…"',
    ],
    options: (command) =>
      command
        .option('--now', 'in this call')
        .option('--all', 'every ring')
        .option('--tenant <tenant>', 'rings of the connections of a tenant')
        .option('--label <name=value>', 'rings of the connections with this label', keyValue)
        .option('--rate <number>', 'rings a minute at most, of all replicas together (default: 600)', integer(1, 6000))
        .option('--wait', 'show how far it is until it has ended')
        .addOption(algorithmOption()),
    run: async ({ api, args, options, outside: around, show }) => {
      if (!meansMany(args, options)) {
        const body = given({ now: options.now, algorithm: options.algorithm });
        const path = `/v1/keys/${segment(args[0] ?? 'platform')}/rotate`;
        const rotated = await (await api()).send('POST', path, body);
        show(rotated, (paint) => fields(paint, Object.entries(rotated as object)));
        return;
      }
      if (options.now) throw usage('--now is for one ring: many are rotated each as soon as its conditions hold.');
      const body = readBody(args, options);
      const access = await api();
      const begun = (await access.send('POST', '/v1/rotations', body)) as Rotation;
      const found = options.wait ? await watchRotation(access, begun.id, around, options.json === true) : begun;
      show(found, (paint) => fields(paint, Object.entries(found)));
    },
  });
}
