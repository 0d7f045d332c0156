// `countersign key policy`: the times of signing keys, shown and set, with the arithmetic.
import type { Command } from 'commander';
import { addNoun, addVerb } from './command.ts';
import { usage } from './failure.ts';
import { arithmetic, type Policy } from './key-arithmetic.ts';
import { duration, given } from './options.ts';
import type { Outside } from './outside.ts';
import { type Paint, table } from './text.ts';

interface Times {
  verifier_cache_seconds: number;
  oldest_served_seconds: number;
  oldest_signed_seconds: number;
  clock_error_seconds: number;
  period_seconds: number;
  seasoning_seconds: number;
  retirement_seconds: Record<string, number>;
  most_keys: Record<string, number>;
}

interface Version extends Times {
  version: number;
  since: string;
  in_force?: Times & { until: string };
}

interface SetOptions {
  verifierCache?: number;
  oldestServed?: number;
  oldestSigned?: number;
  clockError?: number;
  period?: number;
  dryRun?: true;
}

const PATH = '/v1/key-policy';

/** One line for each time, and for what follows from them: by name, before, after. */
function compare(paint: Paint, before: Times, after: Times): string {
  const rows = (
    [
      ['A verifier cache', ({ verifier_cache_seconds: a }) => a],
      ['D oldest served', ({ oldest_served_seconds: d }) => d],
      ['R oldest signed', ({ oldest_signed_seconds: r }) => r],
      ['e clock error', ({ clock_error_seconds: e }) => e],
      ['period', ({ period_seconds: period }) => period],
      ['A + D + e: published to activation', ({ seasoning_seconds: s }) => s],
      ['R + T + S + e: to removal, platform', ({ retirement_seconds: r }) => r['workload_token']],
      ['R + T + S + e: to removal, connections', ({ retirement_seconds: r }) => r['web_identity_token']],
    ] as const satisfies [string, (times: Times) => number | undefined][]
  ).map(([name, of]: [string, (times: Times) => number | undefined]) => [name, `${of(before)} s`, `${of(after)} s`]);
  const keys = (times: Times): string => String(Math.max(...Object.values(times.most_keys)));
  rows.push(['keys in a JWKS, at most (10)', keys(before), keys(after)]);
  return table(paint, ['', 'BEFORE', 'AFTER'], rows);
}

function whatStillCounts({ in_force: still }: Version): string {
  if (still === undefined) return '';
  return `What was lowered counts from ${still.until}; until then, A + D + e is ${still.seasoning_seconds} s.\n`;
}

function showChange(
  paint: Paint,
  { before, after, changed }: { before: Version; after: Version; changed: boolean },
): string {
  const said = changed
    ? `Version ${after.version} is in place of ${before.version}.`
    : before.version === after.version
      ? 'That is the policy already.'
      : 'Nothing was changed: a dry run.';
  return `${compare(paint, before, after)}${whatStillCounts(after)}${said}\n`;
}

export function addPolicyCommands(key: Command, outside: Outside): void {
  const policy = addNoun(key, 'policy', 'the key policy: its times, and the arithmetic');
  addVerb(policy, outside, {
    usage: 'show',
    isDefault: true,
    summary: 'Show the key policy: its times, and the arithmetic.',
    examples: ['countersign key policy', 'countersign key policy show --json'],
    run: async ({ api, show }) => {
      const found = (await (await api()).get(PATH)) as Policy & Version & { reason: string; actor: string };
      const set = `Set ${found.since} by ${found.actor}: ${found.reason}\n`;
      show(found, (paint) => `${arithmetic(paint, found)}${set}${whatStillCounts(found)}`);
    },
  });
  addVerb<SetOptions>(policy, outside, {
    usage: 'set',
    summary: 'Change times of the key policy; the others stay as they are.',
    about:
      'A policy that breaks a line of the arithmetic is refused, with its figures. What is raised counts at once,\nwhat is lowered only once nobody can go by the old value any more. Every ring is planned anew.',
    changes: true,
    examples: [
      'countersign key policy set --period 14d --dry-run --reason "…"',
      'countersign key policy set --period 14d --reason "our auditors ask for two weeks"',
    ],
    options: (command) =>
      command
        .option('--period <duration>', 'from one planned activation to the next: 14d', duration)
        .option('--verifier-cache <duration>', 'A: how long a verifier uses its copy of a JWKS', duration)
        .option('--oldest-served <duration>', 'D: the oldest view that is served', duration)
        .option('--oldest-signed <duration>', 'R: the oldest view that anybody signs with', duration)
        .option('--clock-error <duration>', 'e: what clocks may differ by, and commits take', duration)
        .option('--dry-run', 'show what would be, and change nothing'),
    run: async ({ api: access, options, show }) => {
      const wanted = given({
        verifier_cache_seconds: options.verifierCache,
        oldest_served_seconds: options.oldestServed,
        oldest_signed_seconds: options.oldestSigned,
        clock_error_seconds: options.clockError,
        period_seconds: options.period,
      });
      if (Object.keys(wanted).length === 0) throw usage('Name a time to set, such as --period 14d.');
      const api = await access();
      const current = (await api.get(PATH)) as Version;
      const body = {
        replaces: current.version,
        verifier_cache_seconds: current.verifier_cache_seconds,
        oldest_served_seconds: current.oldest_served_seconds,
        oldest_signed_seconds: current.oldest_signed_seconds,
        clock_error_seconds: current.clock_error_seconds,
        period_seconds: current.period_seconds,
        ...wanted,
        ...(options.dryRun ? { dry_run: true } : {}),
      };
      const change = (await api.send('PUT', PATH, body)) as { before: Version; after: Version; changed: boolean };
      show(change, (paint) => showChange(paint, change));
    },
  });
}
