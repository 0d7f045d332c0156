// keygen_request_p99_ratio: how long a token takes at worst while rings of RSA keys are made beside it.
import { join } from 'node:path';
import { askSocket } from '../test/support/service.ts';
import { createClient, insertClients } from './clients.ts';
import { openLine } from './load.ts';
import { delay, loadAt, type Phase } from './paced.ts';
import type { Started } from './processes.ts';
import { median, type Result } from './report.ts';
import { createHome, type Home, startService } from './service.ts';
import type { Surroundings } from './surroundings.ts';

const CLIENTS = 64;
const LINES = 16;
/** Requests whose answers are created at once; the service makes one key at a time. */
const CREATORS = 4;

/** Connections whose issuers have RS256 rings, over the API. */
async function createRings(service: Started, home: Home, count: number): Promise<void> {
  const { body } = await askSocket(join(home.dir, 'run/s.sock'), { as: 'bench', reason: 'bench' });
  const headers = { authorization: `Bearer ${body.access_token}`, 'content-type': 'application/json' };
  let next = 0;
  await Promise.all(
    Array.from({ length: CREATORS }, async () => {
      for (let number = next++; number < count; number = next++) {
        const connection = {
          ...{ name: `bench ${number}`, algorithm: 'RS256' },
          aws: { account_id: '111122223333', permission_set: 'read-only' },
        };
        const init = { method: 'POST', headers, body: JSON.stringify(connection) };
        const answer = await fetch(`${service.url}/v1/connections`, init);
        if (answer.status !== 201) throw new Error(`the service answered ${answer.status}: ${await answer.text()}`);
      }
    }),
  );
}

export async function measureKeygen({ postgres, quick, say }: Surroundings): Promise<Result> {
  const [rounds, rings, perSecond, warmUpSeconds] = quick ? [1, 2, 20, 0.5] : [5, 200, 100, 10];
  const clients = Array.from({ length: CLIENTS }, createClient);
  const { url, database } = await postgres.createDatabase();
  await insertClients(database.db, clients);
  const home = await createHome();
  const service = await startService(home, url);
  const lines = await Promise.all(Array.from({ length: LINES }, () => openLine(service.url)));
  const endpoint = {
    ...{ url: `${service.url}/oauth2/token`, issuerUrl: service.url, resource: `${service.url}/v1/credentials` },
  };
  const during = (work: Promise<unknown>): Promise<Phase> => {
    let done = false;
    void work.finally(() => (done = true)).catch(() => {});
    return loadAt(lines, clients, endpoint, { perSecond, done: () => done });
  };
  const [without, beside]: [Phase[], Phase[]] = [[], []];
  const runs: number[] = [];
  try {
    // A few creations as well: the first compiles what checks and writes them, and starts the thread that makes keys.
    await Promise.all([during(delay(warmUpSeconds * 1000)), createRings(service, home, quick ? 1 : 20)]);
    for (let round = 1; round <= rounds; round += 1) {
      const making = createRings(service, home, rings);
      const [busy] = await Promise.all([during(making), making]);
      // As long as that took, and no longer than says something.
      const calm = await during(delay(Math.min(busy.seconds, 60) * 1000));
      beside.push(busy);
      without.push(calm);
      runs.push(busy.p99 / calm.p99);
      say(`round ${round} of ${rounds}: ${busy.p99.toFixed(1)} ms against ${calm.p99.toFixed(1)} ms`);
    }
    const p99 = (phases: Phase[]): string => `${median(phases.map((phase) => phase.p99)).toFixed(1)} ms`;
    const spent = beside.reduce((sum, { seconds }) => sum + seconds, 0);
    return {
      ...{ name: 'keygen_request_p99_ratio', ratio: median(runs), runs, target: { atMost: 1.5 } },
      baseline: `p99 of a token request while ${rounds * rings} RSA rings are made over the API, against the same load without`,
      figures: {
        'while rings are made': p99(beside),
        without: p99(without),
        load: `${perSecond} tokens a second over ${LINES} connections, timed from when each was due`,
        rings: `${rounds * rings}, two keys of 2048 bits each, in ${spent.toFixed(0)} s`,
      },
    };
  } finally {
    for (const line of lines) line.close();
    await service.stop();
    home.remove();
  }
}
