// One ring over years under a stepped clock: three replicas with their own views and wall clocks, and whoever verifies.
import { createLocalJWKSet, jwtVerify } from 'jose';
import type { Test } from 'tap';
import { createAct, SYSTEM } from '../../src/audit/act.ts';
import { ensurePartitions } from '../../src/audit/store.ts';
import { createAuditStream } from '../../src/audit/stream.ts';
import type { Db } from '../../src/db/connect.ts';
import { jwksDocument } from '../../src/issuers/documents.ts';
import type { Ring } from '../../src/keys/facts.ts';
import { DEFAULT_POLICY, LEEWAY, seasoning } from '../../src/keys/policy.ts';
import { listPolicyVersions } from '../../src/keys/policies.ts';
import type { RotateDeps } from '../../src/keys/rotate.ts';
import { createLocalSigner, type LocalSigner } from '../../src/keys/signer.ts';
import { createRingView, type RingView } from '../../src/keys/view.ts';
import { mintHostToken } from '../../src/tokens/mint.ts';
import { createKeysFixture, type SteppedClock } from '../support/keys.ts';
import { type Crashes, createCrashes } from './crashes.ts';

export const ISSUER_URL = 'https://id.example.com';

export interface LifeReplica {
  view: RingView;
  signer: LocalSigner;
  deps: RotateDeps;
  crashes: Crashes;
  /** Milliseconds by which its wall clock is ahead. */
  ahead: number;
  /** A refresh whose last answer is on its way. */
  late?: { arrive(): void; done: Promise<void> } | undefined;
  /** The next answer is held back. */
  holdBack: boolean;
}

interface Token {
  kid: string;
  text: string;
  /** From when it can be shown, and until when it must verify. */
  from: number;
  until: number;
}

interface Cache {
  kids: ReadonlySet<string>;
  keys: { keys: object[] };
  from: number;
  until: number;
}

export interface Tally {
  tokens: number;
  verified: number;
  rotations: number;
  revocations: number;
  holds: number;
  policies: number;
  crashes: number;
  /** Signatures that a replica declined. */
  declined: number;
  days: number;
}

export interface LifeWorld {
  clock: SteppedClock;
  db: Db;
  ringId: string;
  replicas: LifeReplica[];
  ring(): Promise<Ring>;
  /** Kids of keys that an accepted outage let sign, and until when callers may be refused. */
  outages: Map<string, number>;
  revoked: Map<string, number>;
  tally: Tally;
  /** Every replica signs and serves where it may; then every promise is looked at. @throws Error with what does not hold */
  observe(): Promise<void>;
}

/** Verifying each pair anew costs more than it finds: the first of each kid and document is verified, the rest by kid. */
async function verifyOnce(seen: Set<string>, token: Token, cache: Cache): Promise<void> {
  const pair = `${token.kid} ${[...cache.kids].join()}`;
  if (seen.has(pair)) return;
  seen.add(pair);
  await jwtVerify(token.text, createLocalJWKSet(cache.keys as { keys: [] }), {
    issuer: ISSUER_URL,
    typ: 'at+jwt',
    algorithms: ['ES256'],
    currentDate: new Date(Math.max(token.from, cache.from)),
    clockTolerance: LEEWAY / 1000,
  });
}

export async function openLifeWorld(t: Test, tally: Tally): Promise<LifeWorld> {
  const fixture = await createKeysFixture(t, { policy: DEFAULT_POLICY });
  const { clock, database, keyring, ringId } = fixture;
  const { db } = database;
  const replicas = Array.from({ length: 3 }, (): LifeReplica => {
    const crashes = createCrashes(database);
    const own = { wall: () => clock.wall() + replica.ahead, monotonic: clock.monotonic };
    const readClock = async (asked: Db): Promise<number> => {
      if (replica.holdBack && !asked.isTransaction) {
        const { promise, resolve } = Promise.withResolvers<void>();
        replica.holdBack = false;
        (replica.late as { arrive(): void }).arrive = resolve;
        await promise;
      }
      return clock.database();
    };
    const view = createRingView({ db, clock: own, readClock });
    const act = createAct(createAuditStream({ database: crashes.database, clock: own }));
    const replica: LifeReplica = {
      ...{ view, crashes, ahead: 0, holdBack: false },
      signer: createLocalSigner({ db, keyring, clock: own }),
      deps: {
        ...fixture.deps,
        db: crashes.database.db,
        act,
        changed: async () => void (replica.late ?? (await view.refresh())),
      },
    };
    return replica;
  });
  for (const { view } of replicas) await view.refresh();

  let tokens: Token[] = [];
  let caches: Cache[] = [];
  const verified = new Set<string>();
  const signedSince = new Map<string, number>();
  const [outages, revoked] = [new Map<string, number>(), new Map<string, number>()];

  async function check(token: Token, cache: Cache): Promise<void> {
    const at = Math.max(token.from, cache.from);
    if (
      at > Math.min(token.until, cache.until) ||
      (revoked.get(token.kid) ?? Infinity) <= Math.min(token.until, cache.until)
    )
      return;
    if (at < (outages.get(token.kid) ?? 0)) return;
    tally.verified += 1;
    if (!cache.kids.has(token.kid))
      throw new Error(
        `a token of ${token.kid} signed at ${iso(token.from)} is refused at ${iso(at)} by a JWKS of ${iso(cache.from)}`,
      );
    await verifyOnce(verified, token, cache);
  }

  async function sign(replica: LifeReplica, least: number, oldestSigned: number): Promise<void> {
    const now = clock.database();
    const own = { wall: () => clock.wall() + replica.ahead, monotonic: clock.monotonic };
    if (replica.view.reasonNotToSign() !== undefined) {
      tally.declined += 1;
      return;
    }
    const minting = { issuerUrl: ISSUER_URL, view: replica.view, signer: replica.signer, clock: own };
    const { token: text, kid, expiresAt } = await mintHostToken(minting, { audience: `${ISSUER_URL}/v1`, scope: '' });
    const revokedAt = revoked.get(kid);
    if (revokedAt !== undefined && now >= revokedAt + oldestSigned)
      throw new Error(`${kid} signs at ${iso(now)}, and was revoked at ${iso(revokedAt)}`);
    if (!signedSince.has(kid)) {
      signedSince.set(kid, now);
      const key = (await fixture.ring()).keys.find((each) => each.kid === kid);
      if (key && !key.bornWithRing && !outages.has(kid) && now - key.publishedAt < least)
        throw new Error(`${kid} signs ${(now - key.publishedAt) / 1000} s after its publication`);
    }
    // At exp + S it has expired.
    const token = { kid, text, from: now, until: expiresAt.getTime() + LEEWAY - 1 };
    tokens.push(token);
    tally.tokens += 1;
    for (const cache of caches) await check(token, cache);
  }

  async function fetchJwks({ view }: LifeReplica): Promise<void> {
    const rings = view.mayServe() ? view.find('platform') : undefined;
    if (!rings) return;
    const now = clock.database();
    const keys = jwksDocument(rings, view.now()) as { keys: { kid: string }[] };
    if (keys.keys.length > 10) throw new Error(`${keys.keys.length} keys in a set`);
    const cache = {
      keys,
      kids: new Set(keys.keys.map(({ kid }) => kid)),
      from: now,
      until: now + view.policy().verifierCache,
    };
    caches.push(cache);
    for (const token of tokens) await check(token, cache);
  }

  return {
    ...{ clock, db, ringId, replicas, outages, revoked, tally },
    ring: fixture.ring,
    observe: async () => {
      const now = clock.database();
      for (const { crashes } of replicas) {
        tally.crashes += crashes.counted;
        crashes.counted = 0;
      }
      await ensurePartitions(db, new Date(now));
      tokens = tokens.filter(({ until }) => until >= now);
      caches = caches.filter(({ until }) => until >= now);
      const { keys } = await fixture.ring();
      const active = keys.filter(
        (key) => key.seq !== undefined && key.removedAt === undefined && key.revokedAt === undefined,
      );
      const standbys = keys.filter((key) => key.seq === undefined && key.revokedAt === undefined);
      if (active.length !== 1 || standbys.length !== 1)
        throw new Error(`${active.length} active keys and ${standbys.length} standbys`);
      const policies = (await listPolicyVersions(db)).map(({ policy }) => policy);
      const least = Math.min(...policies.map(seasoning));
      const oldestSigned = Math.max(...policies.map((policy) => policy.oldestSigned));
      for (const replica of replicas) await fetchJwks(replica);
      for (const replica of replicas) await sign(replica, least, oldestSigned);
    },
  };
}

export const iso = (ms: number): string => new Date(ms).toISOString();
export { SYSTEM };
