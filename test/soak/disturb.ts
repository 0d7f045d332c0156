// Faults of PostgreSQL and of every wire, one at a time under load, each with its end and the time to recover.
import type { Test } from 'tap';
import type { Cluster } from '../support/postgres.ts';
import { enableTls } from '../support/postgres-tls.ts';
import { createBentClock } from '../support/bent-clock.ts';
import { createFullDisk } from '../support/full-disk.ts';
import { type Harm, startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { call } from '../support/service.ts';
import type { Checker } from './invariants.ts';
import { type Disturbed, type Load, RECOVERY_MS } from './load.ts';
import type { Random } from './random.ts';
import { openSoakWorld, type SoakWorld, type WireName } from './world.ts';

const WIRES = ['database', 'sts', 'issuer', 'client'] as const satisfies WireName[];
const HARMS = ['cut', 'delay', 'garble', 'hang'] as const satisfies Harm[];

export interface Disturbance {
  name: string;
  kind: Disturbed;
  begin(): unknown;
  end(): unknown;
}

export interface DisturbedWorld {
  world: SoakWorld;
  disturbances: Disturbance[];
}

/** A world with a proxy on every wire; PostgreSQL speaks TLS, because nothing else can tell a flipped bit. */
export async function openDisturbedWorld(
  t: Test,
  cluster: Cluster,
  random: Random,
  replicas: number,
): Promise<DisturbedWorld> {
  const wires: Record<WireName, TcpProxy[]> = { client: [], database: [], sts: [], issuer: [] };
  const roots = await enableTls(cluster);
  const clock = createBentClock(t);
  const disk = createFullDisk(cluster);
  t.teardown(() => disk.unmount());
  const world = await openSoakWorld(t, {
    ...{ databaseUrl: cluster.url, replicas, env: { DATABASE_CA_FILE: roots, ...clock.env } },
    startWire: async (wire, port) => {
      const proxy = await startTcpProxy(t, { host: '127.0.0.1', port }, random);
      wires[wire].push(proxy);
      return proxy;
    },
  });
  const harm = (wire: WireName, kind: Harm): Disturbance => ({
    name: `${kind} on the wire ${wire}`,
    kind: wire,
    begin: () => wires[wire].forEach((proxy) => void (proxy.harm = kind)),
    end: () => wires[wire].forEach((proxy) => void (proxy.harm = 'none')),
  });
  const once = (wire: WireName, how: 'drop' | 'swallow'): Disturbance => ({
    name: `${how} on the wire ${wire}`,
    kind: wire,
    begin: () => wires[wire].forEach((proxy) => proxy[how]()),
    end: () => {},
  });
  const garbleClients: Disturbance = {
    ...harm('client', 'garble'),
    kind: 'garbled',
    // On a connection that carried garbage the next answer may not be the next question's.
    end: async () => {
      for (const proxy of wires.client) proxy.harm = 'none';
      for (const proxy of wires.client) proxy.drop();
      await delay(200);
    },
  };
  const disturbances: Disturbance[] = [
    { name: 'PostgreSQL hangs', kind: 'database', begin: () => cluster.pause(), end: () => cluster.resume() },
    { name: 'PostgreSQL crashes', kind: 'database', begin: () => cluster.kill(), end: () => cluster.start() },
    { name: "the audit log's disk is full", kind: 'database', begin: () => disk.fill(), end: () => disk.empty() },
    { name: 'the clocks jump', kind: 'database', begin: () => clock.bend(20), end: () => clock.bend(0) },
    ...[once('database', 'drop'), once('database', 'swallow')],
    // What is garbled on the issuer's wire is the sandbox's to refuse.
    ...WIRES.flatMap((wire) =>
      HARMS.filter((kind) => wire !== 'client' || kind !== 'garble').map((kind) => harm(wire, kind)),
    ),
    garbleClients,
  ];
  return { world, disturbances };
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function isReady(url: string): Promise<boolean> {
  const answers = await Promise.all(
    ['tokens', 'broker', 'admin'].map((capability) => call(url, 'GET', `/readyz?capability=${capability}`)),
  ).catch(() => []);
  return answers.length > 0 && answers.every(({ status }) => status === 200);
}

/** Begins, lasts, ends; then every replica must be ready by itself, and everything on record. @returns ms to recover */
export async function disturb(
  { replicas }: SoakWorld,
  load: Load,
  checker: Checker,
  random: Random,
  disturbance: Disturbance,
): Promise<number> {
  const { faults } = load.ledger;
  load.disturbed = disturbance.kind;
  await disturbance.begin();
  await delay(500 + random.whole(1500));
  await disturbance.end();
  load.disturbed = undefined;
  const ended = performance.now();
  for (const replica of replicas) {
    while (!(await isReady(replica.direct))) {
      if (performance.now() - ended > RECOVERY_MS) {
        faults.push(
          `${disturbance.name}: a replica is not ready ${RECOVERY_MS} ms after its end\n${replica.output().slice(-2000)}`,
        );
        return performance.now() - ended;
      }
      await delay(50);
    }
  }
  const recovered = performance.now() - ended;
  faults.push(...(await checker.check(load.ledger)).map((wrong) => `${disturbance.name}: ${wrong}`));
  return recovered;
}
