// A process's view of all rings: public halves in memory, read by what changed, aged from the sending of its query.
import type { Clock } from '../clock.ts';
import type { Db } from '../db/connect.ts';
import { unavailable } from '../errors.ts';
import { shareReads } from '../shared-reads.ts';
import { halfOfError, type KeyPolicy, obeyedPolicy, type PolicyVersion } from './policy.ts';
import { listPolicyVersions } from './policies.ts';
import { listIssuerRings, readChangedRings, type Ring } from './facts.ts';
import { createRingMemory, type RingMemory } from './memory.ts';
import { type ReadClock } from './store.ts';

export interface RingView {
  /** The rings of an issuer, from memory; undefined when this process does not know it. */
  find(issuer: string): readonly Ring[] | undefined;
  /** One read for an issuer that this process has not met: single flight. @throws Problem `unavailable` beyond a few a second */
  load(issuer: string): Promise<readonly Ring[] | undefined>;
  /** The same for one that is known to be there: strangers who ask for any use up nothing of it. */
  learn(issuer: string): Promise<readonly Ring[] | undefined>;
  /** Reads what changed, all that was committed before the call; throws when the database does not answer. */
  refresh(): Promise<void>;
  /** Now on the database's clock, carried forward on the monotonic one; milliseconds since the epoch. */
  now(): number;
  /** What this process serves and signs by: the newest that it knows. */
  policy(): KeyPolicy;
  /** @throws Problem `unavailable` unless the view is younger than R and the clocks agree: nobody signs otherwise. */
  assertMaySign(): void;
  /** Whether the view is younger than D: older ones are not served. */
  mayServe(): boolean;
  /** What a later start may serve; undefined before the first refresh. */
  snapshot(): ViewSnapshot | undefined;
  /** Serves a snapshot until the first refresh, and signs nothing by it. */
  restore(snapshot: Omit<ViewSnapshot, 'changes'>): void;
  /** Why nobody may sign now; undefined when they may. */
  reasonNotToSign(): string | undefined;
  /** The rings of every issuer that this process knows. */
  all(): Iterable<readonly Ring[]>;
  /** Since the sending of the query that the view rests on, milliseconds; undefined before the first. */
  age(): number | undefined;
  /** By how much this machine's clock is ahead of the database's, milliseconds; undefined before the first comparison. */
  clockOffset(): number | undefined;
}

export interface ViewSnapshot {
  /** The database's clock when everything in it was true; milliseconds since the epoch. */
  takenAt: number;
  versions: readonly PolicyVersion[];
  rings: RingMemory;
  /** Counts what changed in `rings` since this process started. */
  changes: number;
}

/** Reads of unknown issuers that this process makes in a second, all callers together. */
const UNKNOWN_READS_PER_SECOND = 20;

interface Anchor {
  /** Monotonic time when the query was sent: the view is at least as new as that. */
  sent: number;
  /** The database's clock when it had answered. */
  databaseTime: number;
  /** Monotonic time when that answer was here. */
  answered: number;
  /** The database's clock in that query's snapshot. */
  takenAt: number;
  /** Wall and monotonic time halfway through that round trip, and half the trip: the error of the comparison. */
  wall: number;
  monotonic: number;
  halfTrip: number;
}

export function createRingView({ db, clock, readClock }: { db: Db; clock: Clock; readClock: ReadClock }): RingView {
  let rings = createRingMemory();
  let versions: PolicyVersion[] = [];
  let horizon = '0';
  /** The key published last of those that were read: what says that the database is the one that they were read from. */
  let newest: { kid: string; publishedAt: number } | undefined;
  let anchor: Anchor | undefined;
  let restored: { takenAt: number; wall: number; monotonic: number } | undefined;
  let changed = 0;
  const loading = new Map<string, Promise<readonly Ring[] | undefined>>();
  let reads = { second: -1, count: 0 };

  async function refresh(): Promise<void> {
    const sent = clock.monotonic();
    // Before the rings: a raised R must not let anybody sign by rings that are older than it.
    const policies = await listPolicyVersions(db);
    // Everything anew goes into a memory of its own: until it is whole, what was known is served.
    const target = horizon === '0' ? createRingMemory() : rings;
    let latest = newest;
    const changes = await readChangedRings(db, { horizon, newest: newest?.kid }, readClock, (ring) => {
      if (target.put(ring)) changed += 1;
      for (const key of ring.keys) if (!latest || key.publishedAt > latest.publishedAt) latest = key;
    });
    // A database restored from a backup lacks our newest key, or counts transactions anew: what we know may be from its
    // future, and what it changes would not be found from our horizon on.
    if (!changes.knows || BigInt(changes.horizon) < BigInt(horizon)) {
      horizon = '0';
      newest = undefined;
      return refresh();
    }
    newest = latest && { kid: latest.kid, publishedAt: latest.publishedAt };
    rings = target;
    horizon = changes.horizon;
    versions = policies;
    // One short round trip of its own: the shorter it is, the more the comparison of clocks is worth.
    const asked = clock.monotonic();
    const wallAsked = clock.wall();
    const databaseTime = await readClock(db);
    const answered = clock.monotonic();
    const halfTrip = (answered - asked) / 2;
    anchor = {
      sent,
      databaseTime,
      answered,
      takenAt: changes.now,
      wall: wallAsked + halfTrip,
      monotonic: asked + halfTrip,
      halfTrip,
    };
  }

  // One at a time, and none that began before its asker's change was committed.
  const refreshOnce = shareReads(refresh, () => '');

  // Never ahead of the database's clock, however long the answer took: no key leaves a JWKS before its time.
  const now = (): number => (anchor ? anchor.databaseTime + (clock.monotonic() - anchor.answered) : clock.wall());
  const policy = (): KeyPolicy => obeyedPolicy(versions);

  /** How old what we serve is, at most. */
  function servedAge(): number {
    if (anchor) return clock.monotonic() - anchor.sent;
    if (!restored || clock.wall() < restored.takenAt) return Number.POSITIVE_INFINITY;
    // Without a database to compare clocks with: by whichever of the two says more.
    const passed = clock.monotonic() - restored.monotonic;
    return Math.max(clock.wall(), restored.wall + passed) - restored.takenAt;
  }

  function reasonNotToSign(): string | undefined {
    if (!anchor || versions.length === 0) return 'the signing keys have not been read yet';
    const { oldestSigned } = policy();
    const mostOff = halfOfError(policy());
    if (clock.monotonic() - anchor.sent >= oldestSigned) return 'the view of the signing keys is too old';
    const offset = Math.abs(anchor.wall - anchor.databaseTime) - anchor.halfTrip;
    if (offset > mostOff) return `the clock of this machine is ${Math.round(offset)} ms away from the database's`;
    const jump = Math.abs(clock.wall() - anchor.wall - (clock.monotonic() - anchor.monotonic));
    if (jump > mostOff) return `the wall clock of this machine jumped by ${Math.round(jump)} ms`;
    const apart = Math.abs(clock.wall() - now() - anchor.halfTrip) - anchor.halfTrip;
    if (apart > mostOff) return `the clock of this machine is by now ${Math.round(apart)} ms away from the database's`;
    return undefined;
  }

  // For all who ask at once, and by no read that began before its asker's issuer was committed.
  const learn = shareReads(
    async (issuer: string) => {
      const found = await listIssuerRings(db, issuer, now());
      // A refresh that came between knows it by now, and better: what changed before it is not read again.
      if (!rings.find(issuer)) for (const ring of found) if (rings.put(ring)) changed += 1;
      return rings.find(issuer);
    },
    (issuer) => issuer,
  );

  return {
    find: (issuer) => rings.find(issuer),

    load: (issuer) => {
      const underWay = rings.find(issuer) ?? loading.get(issuer);
      if (underWay) return Promise.resolve(underWay);
      const second = Math.floor(clock.monotonic() / 1000);
      reads = second === reads.second ? { second, count: reads.count + 1 } : { second, count: 1 };
      if (reads.count > UNKNOWN_READS_PER_SECOND)
        return Promise.reject(unavailable('Too many unknown issuers are asked for.'));
      const read = learn(issuer).finally(() => loading.delete(issuer));
      loading.set(issuer, read);
      return read;
    },

    learn,

    refresh: () => refreshOnce(undefined),

    now,
    policy,
    assertMaySign: () => {
      const reason = reasonNotToSign();
      if (reason) throw unavailable(`Nothing is signed now: ${reason}.`);
    },
    mayServe: () => (anchor ?? restored) !== undefined && servedAge() < policy().oldestServed,
    snapshot: () => anchor && { takenAt: anchor.takenAt, versions, rings, changes: changed },
    restore: (snapshot) => {
      restored = { takenAt: snapshot.takenAt, wall: clock.wall(), monotonic: clock.monotonic() };
      ({ rings } = snapshot);
      versions = [...snapshot.versions];
    },
    reasonNotToSign,
    all: () => rings.all(),
    age: () => anchor && clock.monotonic() - anchor.sent,
    clockOffset: () => anchor && anchor.wall - anchor.databaseTime,
  };
}
