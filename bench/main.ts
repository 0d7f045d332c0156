// `npm run bench [-- name…] [--quick] [--json]`: ratios taken in one run, because absolute figures do not travel.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { StartError } from '../src/errors.ts';
import { measureDocuments } from './documents.ts';
import { measureExchange } from './exchange.ts';
import { measureFederated } from './federated.ts';
import { measureFanout } from './fanout.ts';
import { measureHandouts } from './handouts.ts';
import { measureMany } from './many.ts';
import { type BenchPostgres, openPostgres } from './database.ts';
import { measureKeygen } from './keygen.ts';
import { measureRefusals } from './refusals.ts';
import { measureRings } from './rings.ts';
import { isMet, type Result, toJson, toTable } from './report.ts';
import { measureStart } from './start.ts';
import type { Surroundings } from './surroundings.ts';
import { measureToken } from './token.ts';

/** One measurement that two comparisons are read from. */
function once<T>(measure: (surroundings: Surroundings) => Promise<T>): (surroundings: Surroundings) => Promise<T> {
  let measured: Promise<T> | undefined;
  return (surroundings) => (measured ??= measure(surroundings));
}

const rings = once(measureRings);
const start = once(measureStart);
const fanout = once(measureFanout);

const BENCHES: Record<string, (surroundings: Surroundings) => Promise<Result>> = {
  token_vs_bare_oidc_provider: measureToken,
  federated_vs_private_key_mint: measureFederated,
  jwks_vs_constant_route: measureDocuments,
  exchange_share_growth: measureExchange,
  keygen_request_p99_ratio: measureKeygen,
  handout_vs_verifying_route: measureHandouts,
  refusal_vs_handout: measureRefusals,
  cold_fanout_sts_calls: async (surroundings) => (await fanout(surroundings)).calls,
  cold_fanout_extra_ms: async (surroundings) => (await fanout(surroundings)).extra,
  many_connections_vs_stub: measureMany,
  rings_100k_rss_mb: async (surroundings) => (await rings(surroundings)).memory,
  rings_100k_first_jwks_ms: async (surroundings) => (await rings(surroundings)).firstJwks,
  start_to_ready_ms: async (surroundings) => (await start(surroundings)).ready,
  idle_rss_mb: async (surroundings) => (await start(surroundings)).idle,
};

function readArguments(): { names: string[]; quick: boolean; json: boolean } | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  });
  const unknown = positionals.filter((name) => !Object.hasOwn(BENCHES, name));
  if (unknown.length === 0) return { names: positionals.length > 0 ? positionals : Object.keys(BENCHES), ...values };
  process.stderr.write(`There is no bench ${unknown.join(', ')}: choose from ${Object.keys(BENCHES).join(', ')}.\n`);
  return undefined;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Undefined where its rows would not be durable. */
async function open(quick: boolean): Promise<BenchPostgres | undefined> {
  try {
    return await openPostgres({ quick });
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    say(`${error.message} ${error.hint} Or ask for --quick, whose figures mean nothing.`);
    return undefined;
  }
}

async function main(): Promise<number> {
  const chosen = readArguments();
  const postgres = chosen && (await open(chosen.quick));
  if (!postgres) return 2;
  try {
    say(
      `Node ${process.version}, ${postgres.description}, ${availableParallelism()} cores, loopback${chosen.quick ? ', quick: figures mean nothing' : ''}`,
    );
    const results: Result[] = [];
    for (const name of chosen.names) {
      say(`\n${name}`);
      results.push(
        await (BENCHES[name] as (typeof BENCHES)[string])({
          postgres,
          quick: chosen.quick,
          say: (line) => say(`  ${line}`),
        }),
      );
    }
    process.stdout.write(`${chosen.json ? toJson(results) : `\n${toTable(results)}`}\n`);
    const missed = results.filter((result) => !isMet(result)).map(({ name }) => name);
    if (chosen.quick || missed.length === 0) return 0;
    say(`\nMissed: ${missed.join(', ')}.`);
    return 1;
  } finally {
    await postgres.close();
  }
}

process.exitCode = await main();
