// `countersign key hold` and `resume`: rotations of a ring stopped for a while, and let go on.
import { type Command, Option } from 'commander';
import { segment } from './api.ts';
import { addVerb } from './command.ts';
import { usage } from './failure.ts';
import { duration, given, time } from './options.ts';
import type { Outside } from './outside.ts';
import { fields } from './text.ts';

interface HoldOptions {
  for?: number;
  until?: string;
  algorithm?: string;
}

/** Which ring, where an issuer has two. */
export const algorithmOption = (): Option =>
  new Option('--algorithm <algorithm>', 'which ring, where an issuer has two').choices(['ES256', 'RS256']);

export function addHoldCommands(key: Command, outside: Outside): void {
  addVerb<HoldOptions>(key, outside, {
    usage: 'hold <issuer>',
    summary: 'Stop rotations of a ring until a time: platform or is_….',
    about:
      'Planned and queued rotations wait, and --now is refused; a revocation never waits.\nHolding it again changes the end. At most 90 days.',
    changes: true,
    examples: [
      'countersign key hold is_… --for 7d --reason "their change freeze"',
      'countersign key hold platform --until 2026-12-24T00:00:00Z --reason "…"',
    ],
    options: (command) =>
      command
        .option('--for <duration>', 'from now on: 30m, 12h, 7d', duration)
        .option('--until <time>', 'RFC 3339', time)
        .addOption(algorithmOption()),
    run: async ({ api, args, options, show }) => {
      if ((options.for === undefined) === (options.until === undefined))
        throw usage('A hold has one end: --for or --until.');
      const body = given({
        duration_seconds: options.for,
        until: options.until,
        algorithm: options.algorithm,
      });
      const held = await (await api()).send('POST', `/v1/keys/${segment(args[0] as string)}/hold`, body);
      show(held, (paint) => fields(paint, Object.entries(held as object)));
    },
  });
  addVerb<{ algorithm?: string }>(key, outside, {
    usage: 'resume <issuer>',
    summary: 'Let rotations of a ring go on, where they would have been.',
    changes: true,
    examples: ['countersign key resume is_… --reason "freeze is over"'],
    options: (command) => command.addOption(algorithmOption()),
    run: async ({ api, args, options, show }) => {
      const body = given({ algorithm: options.algorithm });
      const resumed = await (await api()).send('POST', `/v1/keys/${segment(args[0] as string)}/resume`, body);
      show(resumed, (paint) => fields(paint, Object.entries(resumed as object)));
    },
  });
}
