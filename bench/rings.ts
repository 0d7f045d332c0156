// rings_100k_*: what a hundred thousand rings cost a process in memory, and until its first JWKS, beside one without.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { createLocalKek } from '../src/keys/kek.ts';
import { seedConnections } from './connections.ts';
import { median, type Result } from './report.ts';
import { createHome, type Home, startService } from './service.ts';
import type { Surroundings } from './surroundings.ts';

const SETTLE_MS = 3000;

interface Side {
  home: Home;
  url: string;
  /** The JWKS that is asked for first. */
  path: string;
  milliseconds: number[];
  megabytes: number[];
}

/** A start by the database alone: no snapshot is left from the round before. */
async function measureStart(side: Side, settleMs: number): Promise<void> {
  rmSync(join(side.home.dir, 'snapshot'), { recursive: true, force: true });
  const started = performance.now();
  const service = await startService(side.home, side.url);
  try {
    const { status } = await fetch(service.url + side.path);
    if (status !== 200) throw new Error(`${side.path} answered ${status}`);
    side.milliseconds.push(performance.now() - started);
    await delay(settleMs);
    side.megabytes.push(service.residentMegabytes() ?? Number.NaN);
  } finally {
    await service.stop();
  }
}

export interface RingResults {
  memory: Result;
  firstJwks: Result;
}

export async function measureRings({ postgres, quick, say }: Surroundings): Promise<RingResults> {
  const [rounds, count, settleMs] = quick ? [1, 500, 200] : [5, 100_000, SETTLE_MS];
  const sides: Side[] = [];
  try {
    for (const rings of [0, count]) {
      const { url, database } = await postgres.createDatabase();
      const home = await createHome();
      const side: Side = { home, url, path: '/jwks', milliseconds: [], megabytes: [] };
      sides.push(side);
      // Keys and policy are made by a first start; what is measured is every later one.
      await (await startService(home, url)).stop();
      if (rings === 0) continue;
      await sql`insert into workloads (id, slug, state, scopes, audiences, jwks)
        values ('wl_bench', 'bench', 'active', '{}', '{}', '{"keys":[]}')`.execute(database.db);
      say(`seeding ${rings} rings`);
      const kek = createLocalKek(Buffer.from(readFileSync(home.kekFile, 'utf8').trim(), 'base64'));
      await seedConnections(database.db, { workloads: ['wl_bench'], count: rings, asked: 1, kek });
      const { rows } = await sql<{ issuer: string }>`select issuer from connections order by id limit 1`.execute(
        database.db,
      );
      side.path = `/c/${rows[0]?.issuer}/jwks`;
    }
    for (let round = 1; round <= rounds; round += 1) {
      for (const side of round % 2 === 1 ? sides : sides.toReversed()) await measureStart(side, settleMs);
      say(
        `round ${round} of ${rounds}: ${sides.map((side) => `${side.milliseconds.at(-1)?.toFixed(0)} ms`).join(' empty, ')} full`,
      );
    }
    const [empty, full] = sides as [Side, Side];
    const ratios = (pick: (side: Side) => number[]): number[] =>
      pick(full).map((value, round) => value / (pick(empty)[round] as number));
    const memory = ratios((side) => side.megabytes);
    const times = ratios((side) => side.milliseconds);
    const above = median(full.megabytes) - median(empty.megabytes);
    return {
      memory: {
        ...{ name: 'rings_100k_rss_mb', ratio: median(memory), runs: memory, target: { atMost: 2 } },
        baseline: `resident memory of the service with ${count} rings, against the same service without any`,
        figures: {
          full: `${median(full.megabytes).toFixed(0)} MB`,
          empty: `${median(empty.megabytes).toFixed(0)} MB`,
          above: `${above.toFixed(0)} MB, ${((above * 1e6) / count).toFixed(0)} bytes a ring`,
        },
      },
      firstJwks: {
        ...{ name: 'rings_100k_first_jwks_ms', ratio: median(times), runs: times, target: { atMost: 3 } },
        baseline: `from start to the first JWKS with ${count} rings, against the same service without any; no snapshot`,
        figures: {
          full: `${median(full.milliseconds).toFixed(0)} ms`,
          empty: `${median(empty.milliseconds).toFixed(0)} ms`,
        },
      },
    };
  } finally {
    for (const { home } of sides) home.remove();
  }
}
