// One ring in a database, with a clock that tests step: the real store, rings and rotation.
import { createPrivateKey, type KeyObject, randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import { type Act, createAct, SYSTEM } from '../../src/audit/act.ts';
import { ensurePartitions } from '../../src/audit/store.ts';
import { createAuditStream } from '../../src/audit/stream.ts';
import type { Clock } from '../../src/clock.ts';
import type { Database } from '../../src/db/connect.ts';
import { insertIssuer } from '../../src/issuers/store.ts';
import { decrypt, type Kek, placeOf } from '../../src/keys/encrypt.ts';
import { createLocalKek } from '../../src/keys/kek.ts';
import type { Holders } from '../../src/keys/held/holder.ts';
import { createKeyring, type Keyring } from '../../src/keys/keyring/keyring.ts';
import { seedPolicy } from '../../src/keys/policies.ts';
import { type KeyPolicy, LOOPBACK_POLICY } from '../../src/keys/policy.ts';
import { createRings, type PreparedKey, type PreparedRing, type Rings } from '../../src/keys/rings.ts';
import type { RotateDeps } from '../../src/keys/rotate.ts';
import { findRing, type Ring } from '../../src/keys/facts.ts';
import { ringId } from '../../src/keys/store.ts';
import { createRingView, type RingView } from '../../src/keys/view.ts';
import { openTestDatabase } from './databases.ts';
import { keepKek } from './leaks.ts';

export interface SteppedClock extends Clock {
  /** Steps wall, monotonic and database time, milliseconds. */
  step(ms: number): void;
  /** Steps the wall clock alone, as an administrator or NTP would. */
  jump(ms: number): void;
  database(): number;
}

export function steppedClock(start = Date.UTC(2026, 0, 15)): SteppedClock {
  let [wall, monotonic, database] = [start, 1000, start];
  return {
    wall: () => wall,
    monotonic: () => monotonic,
    database: () => database,
    step: (ms) => {
      wall += ms;
      monotonic += ms;
      database += ms;
    },
    jump: (ms) => {
      wall += ms;
    },
  };
}

/** The private half that was wrapped for a ring's row. */
export async function openPrepared(kek: Kek, ring: PreparedRing, key: PreparedKey): Promise<KeyObject> {
  const { issuer, algorithm, purpose } = ring;
  const place = placeOf(key.kid, { id: ringId(issuer, algorithm), algorithm, purpose });
  return createPrivateKey({ key: await decrypt(kek, key.envelope, place), format: 'der', type: 'pkcs8' });
}

export interface KeysFixture {
  database: Database;
  kek: Kek;
  keyring: Keyring;
  act: Act;
  clock: SteppedClock;
  deps: RotateDeps;
  prepared: PreparedRing;
  ringId: string;
  ring(): Promise<Ring>;
  view(): RingView;
}

export async function createKeysFixture(
  t: Test,
  options: {
    database?: Database;
    kek?: Kek;
    /** Further ones, which open. */
    further?: Kek[];
    holders?: Holders;
    rings?: Rings;
    clock?: SteppedClock;
    policy?: KeyPolicy;
    purpose?: 'workload_token' | 'web_identity_token';
  } = {},
): Promise<KeysFixture> {
  const database = options.database ?? (await openTestDatabase(t));
  const kek = options.kek ?? createLocalKek(keepKek(randomBytes(32)));
  const keyring = createKeyring([kek, ...(options.further ?? [])]);
  const clock = options.clock ?? steppedClock();
  const readClock = async (): Promise<number> => clock.database();
  const rings = options.rings ?? createRings({ db: database.db, keyring, readClock, holders: options.holders });
  await ensurePartitions(database.db, new Date(clock.wall()));
  const act = createAct(createAuditStream({ database, clock }));
  const { purpose = 'workload_token' } = options;
  const issuer = 'platform';
  const prepared = await rings.prepare({ issuer, algorithm: 'ES256', purpose });
  await act(SYSTEM, async (trx) => {
    await seedPolicy(trx, options.policy ?? LOOPBACK_POLICY, readClock);
    await insertIssuer(trx, { id: issuer, kind: 'platform' });
    await rings.insert(trx, prepared, SYSTEM);
    return { result: undefined, records: [], affectsDecisions: false };
  });
  const id = ringId(issuer, 'ES256');
  return {
    ...{ database, kek, keyring, act, clock, prepared, ringId: id },
    deps: {
      ...{ db: database.db, act, rings, readClock, checks: [] },
      ...{ mayStillRotate: async () => true, changed: async () => {} },
    },
    ring: async () => (await findRing(database.db, id)) as Ring,
    view: () => createRingView({ db: database.db, clock, readClock }),
  };
}
