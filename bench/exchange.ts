// exchange_share_growth: the broker's own share of one exchange, with one connection registered and with very many.
import { createAct } from '../src/audit/act.ts';
import { createAuditStream } from '../src/audit/stream.ts';
import { ensurePartitions } from '../src/audit/store.ts';
import { createAwsKms } from '../src/clouds/aws-kms.ts';
import { systemClock } from '../src/clock.ts';
import { DEFAULT_POLICY } from '../src/keys/policy.ts';
import { loadKeyring } from '../src/keys/keyring/load.ts';
import { createRings } from '../src/keys/rings.ts';
import { readClock } from '../src/keys/store.ts';
import { prepareDatabase } from '../src/prepare.ts';
import { buildTokenRequest, createClient, insertClients } from './clients.ts';
import { seedConnections } from './connections.ts';
import { type Answered, buildRequest, type Line, openLine } from './load.ts';
import { type Started, startServer } from './processes.ts';
import { median, type Result } from './report.ts';
import { createHome, startService } from './service.ts';
import type { Surroundings } from './surroundings.ts';

interface Side {
  connections: number;
  requests: Buffer[];
  next: number;
  line: Line;
  stub: Started;
  /** Milliseconds of the broker's own share, the median of a round. */
  shares: number[];
  stop(): Promise<void>;
}

async function ask(line: Line, request: Buffer): Promise<Answered> {
  const answer = await line.ask(request);
  if (answer.status !== 200) throw new Error(`the service answered ${answer.status}: ${answer.body.slice(0, 500)}`);
  return answer;
}

async function startSide(postgres: Surroundings['postgres'], connections: number, asked: number): Promise<Side> {
  const { url, database } = await postgres.createDatabase();
  const { db } = database;
  const home = await createHome();
  const keyring = await loadKeyring(db, { sources: [{ file: home.kekFile }], mayCreate: false, kms: createAwsKms() });
  await ensurePartitions(db, new Date());
  const acts = createAuditStream({ database, clock: systemClock });
  await prepareDatabase({
    act: createAct(acts),
    rings: createRings({ db, keyring, readClock }),
    readClock,
    issuerUrl: home.issuerUrl,
    keyPolicy: DEFAULT_POLICY,
  });
  await acts.close();
  const client = createClient();
  await insertClients(db, [client]);
  const ids = await seedConnections(db, { workload: client.id, count: connections, asked, kek: keyring.wrapping() });
  const stub = await startServer('stub-sts');
  const service = await startService(home, url, { STS_ENDPOINT_URL: stub.url });
  const line = await openLine(service.url);
  const endpoint = {
    url: `${service.url}/oauth2/token`,
    issuerUrl: service.url,
    resource: `${service.url}/v1/credentials`,
  };
  const { access_token } = JSON.parse((await ask(line, buildTokenRequest(client, endpoint))).body) as {
    access_token: string;
  };
  const requests = ids.map((id) =>
    buildRequest(`${service.url}/v1/connections/${id}/credentials`, 'GET', { authorization: `Bearer ${access_token}` }),
  );
  const stop = async (): Promise<void> => {
    line.close();
    await Promise.all([service.stop(), stub.stop()]);
    home.remove();
  };
  return { connections, requests, next: 0, line, stub, shares: [], stop };
}

async function readSpent({ stub }: Side): Promise<{ calls: number; milliseconds: number }> {
  return (await (await fetch(`${stub.url}/spent`)).json()) as { calls: number; milliseconds: number };
}

/** One exchange; @returns milliseconds from request to answer. */
async function exchangeOnce(side: Side): Promise<number> {
  const request = side.requests[side.next++ % side.requests.length] as Buffer;
  const started = performance.now();
  await ask(side.line, request);
  return performance.now() - started;
}

/** Asks both sides in turn, one exchange at a time; @returns each side's median without what its STS took. */
async function runRound(sides: readonly Side[], exchanges: number): Promise<number[]> {
  const before = await Promise.all(sides.map(readSpent));
  const totals: number[][] = sides.map(() => []);
  for (let turn = 0; turn < exchanges; turn += 1) {
    for (const [index, side] of sides.entries()) totals[index]?.push(await exchangeOnce(side));
  }
  const after = await Promise.all(sides.map(readSpent));
  return totals.map((times, index) => {
    const [start, end] = [before[index], after[index]] as [
      { calls: number; milliseconds: number },
      { calls: number; milliseconds: number },
    ];
    return median(times) - (end.milliseconds - start.milliseconds) / (end.calls - start.calls);
  });
}

/** The first exchange of each connection in this process: its private key is read and decrypted on the way. */
async function askEachOnce(side: Side): Promise<number> {
  const times: number[] = [];
  for (let turn = 0; turn < side.requests.length; turn += 1) times.push(await exchangeOnce(side));
  return median(times);
}

const milliseconds = (value: number): string => `${value.toFixed(2)} ms`;

export async function measureExchange({ postgres, quick, say }: Surroundings): Promise<Result> {
  const [rounds, exchanges, many, asked] = quick ? [1, 10, 500, 5] : [9, 200, 100_000, 500];
  const sides: Side[] = [];
  try {
    for (const [connections, spread] of [
      [1, 1],
      [many, asked],
    ] as const) {
      sides.push(await startSide(postgres, connections, spread));
      say(`${connections} registered`);
    }
    const [one, all] = sides as [Side, Side];
    // Code is warmed by the side that has one connection to ask; then nothing but keys is cold at the other.
    for (let turn = 0; turn < (quick ? 10 : 300); turn += 1) await exchangeOnce(one);
    const warmUp = new Array<Buffer>(quick ? 10 : 300).fill(all.requests[0] as Buffer);
    for (const request of warmUp) await ask(all.line, request);
    const cold = await askEachOnce(all);
    const runs: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const [small, large] = (await runRound(round % 2 === 1 ? [one, all] : [all, one], exchanges)) as [number, number];
      const [ofOne, ofAll] = round % 2 === 1 ? [small, large] : [large, small];
      one.shares.push(ofOne);
      all.shares.push(ofAll);
      runs.push(ofAll / ofOne);
      say(`round ${round} of ${rounds}: ${runs.at(-1)?.toFixed(2)}`);
    }
    return {
      ...{ name: 'exchange_share_growth', ratio: median(runs), runs, target: { atMost: 1.2 } },
      baseline: `milliseconds of one exchange less its STS's own, one at a time, ${many} connections registered (${asked} of them asked in turn) against 1`,
      figures: {
        'with 1': milliseconds(median(one.shares)),
        [`with ${many}`]: milliseconds(median(all.shares)),
        [`with ${many}, the first of each connection in this process`]: `${milliseconds(cold)} (its private key is read and decrypted; not in the ratio)`,
        warm: 'public keys of every ring in memory (as in production), private keys of those asked in memory, prepared by one exchange each; database pages as they come',
      },
    };
  } finally {
    await Promise.all(sides.map((side) => side.stop()));
  }
}
