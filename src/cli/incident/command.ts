// `countersign incident`: by what leaked. Each shows its steps, asks, does them, and reports what was signed meanwhile.
import type { Command } from 'commander';
import type { Call } from '../call.ts';
import { addNoun, addVerb } from '../command.ts';
import { usage } from '../failure.ts';
import { readPublicJwk } from '../jwk.ts';
import { collect, when } from '../options.ts';
import type { Outside } from '../outside.ts';
import { type KekOptions, planDatabaseDump, planKek } from './everything.ts';
import { planConnectionKey, planPlatformKey } from './keys.ts';
import { findSession, planSession, planWorkloadKey } from './people.ts';
import type { Which } from './revocations.ts';
import { type IncidentOptions, type Kind, runIncident } from './run.ts';

/** No session of AWS lives longer; its report looks back a little further. */
const LONGEST_SESSION_MS = 13 * 3_600_000;
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/;

function incidentOptions(command: Command, outside: Outside): Command {
  return command
    .option('--since <time>', 'since when somebody may have it: RFC 3339, or how long ago (12h, 7d)', when(outside.now))
    .option('--incident <id>', 'its id, which is in the reason of each act (default: one is made)')
    .option('--before <time>', 'to go on with an incident: when it was begun', when(outside.now))
    .option('--seal', 'stop all minting first; on the host, by its socket')
    .option('--yes', 'do it without asking')
    .option('--dry-run', 'show the steps and the report, and do nothing')
    .option('--out <directory>', 'write the report (Markdown and JSON) and the notices there');
}

const outageOption = (command: Command): Command =>
  command.option('--accept-outage', 'even if callers are refused for a while');

const keyOptions = (command: Command): Command =>
  outageOption(command)
    .option('--kid <kid>', 'the key that leaked; may be repeated', collect)
    .option('--all-burnt', 'every key of the ring, the standby too: a fresh key signs');

const kekOptions = (command: Command): Command =>
  outageOption(command)
    .option('--to <id>', 'the key-encryption key that is to wrap (countersign kek show)')
    .option('--keep-kek', 'the one that wraps is not the one that leaked: leave it');

interface Verb<O> {
  usage: string;
  summary: string;
  about: string;
  example: string;
  options?(command: Command): Command;
  kind(call: Call<IncidentOptions & O>): Kind;
}

export function addIncidentCommands(program: Command, outside: Outside): void {
  const incident = addNoun(program, 'incident', 'something leaked: the steps, the report, the notices to customers');

  function add<O>({ usage: words, summary, about, example, options, kind }: Verb<O>): void {
    addVerb<IncidentOptions & O>(incident, outside, {
      ...{ usage: words, summary, about, changes: true },
      examples: [
        `countersign incident ${example} --dry-run --reason "…"`,
        `countersign incident ${example} --out report --reason "…"`,
      ],
      options: (command) => incidentOptions(options?.(command) ?? command, outside),
      run: async (call) => {
        if (call.options.incident !== undefined && !ID.test(call.options.incident))
          throw usage('--incident must be 1 to 40 of A-Z a-z 0-9 . _ -, such as INC-42.');
        await runIncident(call, kind(call));
      },
    });
  }

  add<Which>({
    usage: 'connection-key <connection>',
    summary: "A signing key of one connection's issuer leaked.",
    about: 'Revokes it, lists what it signed, and writes the notice to the owner of the account.',
    example: 'connection-key acme-prod --kid <kid> --since 7d',
    options: keyOptions,
    kind: ({ args, options }) => ({
      name: 'connection-key',
      plan: (api, opened) => planConnectionKey(api, args[0] as string, options, opened, outside.now()),
    }),
  });
  add<Which>({
    usage: 'platform-key',
    summary: 'A signing key of the platform, which signs workload tokens, leaked.',
    about: 'Revokes it, lists what it signed, and the exchanges with tokens that were not minted here.',
    example: 'platform-key --kid <kid> --since 7d',
    options: keyOptions,
    kind: ({ options }) => ({
      name: 'platform-key',
      plan: (api, opened) => planPlatformKey(api, options, opened, outside.now()),
    }),
  });
  add<KekOptions>({
    usage: 'kek',
    summary: 'The key-encryption key leaked: every private half may be known.',
    about: 'Wraps by another key-encryption key, then revokes every key of every ring; fresh keys sign.',
    example: 'kek --since 7d --to <id> --accept-outage',
    options: kekOptions,
    kind: ({ options }) => ({ name: 'kek', plan: (api, opened) => planKek(api, options, opened, outside) }),
  });
  add<{ kid?: string; newKey?: string; remove?: true }>({
    usage: 'workload-key <workload>',
    summary: "A workload's own private key leaked.",
    about:
      'Suspends the workload, or takes the key away (--remove, --new-key); lists what was minted and handed out by it.',
    example: 'workload-key ci --kid <kid> --since 24h',
    options: (command) =>
      command
        .option('--kid <kid>', 'the key that leaked')
        .option('--new-key <file>', 'put this public key (JWK or PEM) in its place, and do not suspend')
        .option('--remove', 'take the key away, and do not suspend'),
    kind: ({ args, options: { kid, newKey, remove } }) => ({
      name: 'workload-key',
      plan: (api) => {
        const key = newKey === undefined ? undefined : readPublicJwk(newKey);
        return planWorkloadKey(api, args[0] as string, { kid, key, remove }, outside.now);
      },
    }),
  });
  add<{ connection?: string; suspend?: true }>({
    usage: 'session <access-key-id>',
    summary: 'Session credentials that were handed out leaked.',
    about:
      'Finds the exchange that they came from, its workload and connection, and writes the notice to the owner of the account.',
    example: 'session ASIA…',
    options: (command) =>
      command
        .option('--connection <id>', 'where it is known: less of the audit log is read')
        .option('--suspend', 'suspend the workload that had them'),
    kind: ({ args, options, note }) => ({
      ...{ name: 'session', longest: LONGEST_SESSION_MS },
      plan: async (api, opened) => {
        const found = await findSession(api, args[0] as string, {
          ...{ since: opened.since, connection: options.connection, progress: note },
        });
        return await planSession(api, args[0] as string, found, options, outside.now);
      },
    }),
  });
  add<KekOptions & { withKek?: true }>({
    usage: 'database-dump',
    summary: 'A dump or a backup of the database leaked.',
    about: 'Says what is in it. Where the key-encryption key may be with it (--with-kek), what `kek` does is done.',
    example: 'database-dump --since 30d',
    options: (command) => kekOptions(command).option('--with-kek', 'the key-encryption key may be with it'),
    kind: ({ options }) => ({
      name: 'database-dump',
      plan: (api, opened) => planDatabaseDump(api, options, opened, outside),
    }),
  });
}
