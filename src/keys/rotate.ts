// Rotation and revocation: one operation, an insert whose conditions hold, under the ring's row lock.
import { iso } from '../clock.ts';
import type { Act, Actor } from '../audit/act.ts';
import type { Db, Transaction } from '../db/connect.ts';
import { hasTable } from '../db/has-table.ts';
import { Problem } from '../errors.ts';
import { createId } from '../ids.ts';
import { type Check, checkStandby, type Locked, obstacle, retryAt, ringRetired } from './conditions.ts';
import { actInTime, commitBy, type Dated } from './in-time.ts';
import { keepPolicy, readPolicy } from './policies.ts';
import { destruction, retirement } from './policy.ts';
import type { PreparedKey, Rings } from './rings.ts';
import * as facts from './facts.ts';
import { insertRun, RATE } from './runs/store.ts';
import * as store from './store.ts';
import { earliestSeasoning, nextRotationAt, standbyKey } from './timeline.ts';

export interface Rotated {
  ring: string;
  /** The key that signs from now on, and the one before it. */
  kid: string;
  predecessor: string;
  standby: string;
  signs_from: string;
  predecessor_removed_at: string;
}

export interface RotateDeps {
  db: Db;
  act: Act;
  rings: Rings;
  readClock: store.ReadClock;
  /** What a standby must pass outside the database before it signs; a revocation does not wait for them. */
  checks: readonly Check[];
  /** One of them: whether a key is in the JWKS that strangers are given. After a revocation its answer is only told. */
  served?: Check | undefined;
  /** Whether a client that asked for rotations some time ago still may: active, and with its scope. */
  mayStillRotate(trx: Transaction, client: string): Promise<boolean>;
  /** Called after a commit, so that this process sees its own change at once. */
  changed: () => Promise<void>;
}

/** What was committed stands, whether or not this process could look at it: its next refresh does. */
export async function seeOwnChange({ changed }: Pick<RotateDeps, 'changed'>): Promise<void> {
  await changed().catch(() => {});
}

/** @throws Problem `not_found` */
export async function getRing(db: Db, id: string): Promise<facts.Ring> {
  const ring = await facts.findRing(db, id);
  if (!ring) throw new Problem('not_found', 'There is no such ring of keys.', { hint: 'List them with GET /v1/keys.' });
  return ring;
}

/** Locks the ring before anything about it is read; the clock is read after the wait. */
export async function lock(trx: Transaction, id: string, readClock: store.ReadClock): Promise<Locked> {
  await keepPolicy(trx);
  const row = await store.lockRing(trx, id);
  if (!row) throw new Problem('not_found', 'There is no such ring of keys.', { hint: 'List them with GET /v1/keys.' });
  const ring = { ...row, keys: await facts.listRingKeys(trx, id) };
  const now = await readClock(trx);
  return { ring, policy: await readPolicy(trx, now), now };
}

/** Activates the standby and publishes the next one, prepared before. */
export async function activateStandby(
  trx: Transaction,
  rings: Rings,
  locked: Locked,
  next: PreparedKey,
  actor: Actor,
): Promise<Rotated> {
  const { ring, policy, now } = locked;
  const standby = standbyKey(ring.keys, now);
  const predecessor = ring.keys.reduce((a, b) => ((b.seq ?? -1) > (a.seq ?? -1) ? b : a));
  if (!standby || predecessor.seq === undefined)
    throw new Problem('conflict', 'This ring has no standby key.', { hint: 'Its connection was disconnected.' });
  const removedAt = now + retirement(policy, ring.purpose);
  await store.insertActivation(trx, {
    ...{ ring: ring.id, seq: predecessor.seq + 1, kid: standby.kid, at: now },
    predecessor: { kid: predecessor.kid, removedAt, destroyedAt: now + destruction(policy) },
    ...{ reason: actor.reason ?? 'planned', actor: actor.id },
  });
  await rings.insertKey(trx, ring, next, now, false);
  const newStandby = { kid: next.kid, publishedAt: now, bornWithRing: false };
  await store.setNextRotation(trx, ring.id, nextRotationAt({ signsFrom: now }, newStandby, policy));
  return {
    ...{ ring: ring.id, kid: standby.kid, predecessor: predecessor.kid, standby: next.kid },
    ...{ signs_from: iso(now), predecessor_removed_at: iso(removedAt) },
  };
}

/** A rotation as an act: on record, and committed in time or not at all. */
export async function rotateLocked(
  trx: Transaction,
  rings: Rings,
  locked: Locked,
  next: PreparedKey,
  actor: Actor,
): Promise<Dated<Rotated>> {
  const rotated = await activateStandby(trx, rings, locked, next, actor);
  const records = [{ kind: 'key.rotated', details: { ...rotated } }];
  return { result: rotated, records, affectsDecisions: false, commitBy: commitBy(locked) };
}

/** Looks at a ring before anything is locked: cheap refusals first, then the checks. */
export async function look(
  deps: RotateDeps,
  ring: facts.Ring,
): Promise<{ standby: string | undefined; problem: Problem | undefined }> {
  const now = await deps.readClock(deps.db);
  const standby = standbyKey(ring.keys, now);
  const problem =
    obstacle({ ring, policy: await readPolicy(deps.db, now), now }) ??
    (standby && (await checkStandby(deps.checks, ring, standby)));
  return { standby: standby?.kid, problem };
}

/** Under the lock: the facts still let the standby sign, and it is the one that the checks looked at. */
export function refusal(locked: Locked, looked: string | undefined): Problem | undefined {
  const refused = obstacle(locked);
  if (refused || standbyKey(locked.ring.keys, locked.now)?.kid === looked) return refused;
  return new Problem('conflict', 'This ring was rotated meanwhile.', { hint: 'Look at it again: GET /v1/keys.' });
}

/**
 * Rotates in the call.
 * @throws Problem `standby_unseasoned`, `ring_held`, `ring_full`, `not_found`, `unavailable`, and what the checks say
 */
export async function rotateNow(deps: RotateDeps, ring: string, actor: Actor): Promise<Rotated> {
  const found = await getRing(deps.db, ring);
  const { standby, problem } = await look(deps, found);
  if (problem) throw problem;
  const next = await deps.rings.prepareKey(found);
  const rotated = await actInTime(deps, actor, async (trx) => {
    const locked = await lock(trx, ring, deps.readClock);
    const refused = refusal(locked, standby);
    if (refused) throw refused;
    return await rotateLocked(trx, deps.rings, locked, next, actor);
  });
  await seeOwnChange(deps);
  return rotated;
}

export interface Queued {
  ring: string;
  /** When it can be at the earliest. */
  not_before: string;
  /** The run of this one ring: it waits, is shown and can be cancelled as any other. */
  rotation?: string;
}

/**
 * Queues a ring: the background rotates it as soon as its conditions hold, whatever is held, resumed or planned anew before.
 * @throws Problem `ring_retired`, `not_found`
 */
export async function queueRotation(deps: RotateDeps, ring: string, actor: Actor): Promise<Queued> {
  return await deps.act(actor, async (trx) => {
    const { ring: locked, policy, now } = await lock(trx, ring, deps.readClock);
    if (locked.retired) throw ringRetired();
    const standby = standbyKey(locked.keys, now);
    const at = Math.max(now, locked.heldUntil ?? 0, standby ? earliestSeasoning(standby, policy) : now);
    const result: Queued = { ring, not_before: iso(at) };
    if (await hasTable(trx, 'rotation_runs')) {
      result.rotation = createId('ro');
      await insertRun(trx, {
        ...{ id: result.rotation, selection: { issuers: [locked.issuer], algorithm: locked.algorithm }, total: 1 },
        ...{ ratePerMinute: RATE, createdAt: now, actor: actor.id, as: actor.as, reason: actor.reason ?? '' },
      });
    } else await store.setNextRotation(trx, ring, at);
    return { result, records: [{ kind: 'key.rotation_queued', details: { ...result } }], affectsDecisions: false };
  });
}

/** Puts a ring back into the queue for when its obstacle may be gone. */
async function postpone(deps: RotateDeps, ring: string, problem: Problem): Promise<undefined> {
  await deps.db.transaction().execute(async (trx) => {
    const { now } = await lock(trx, ring, deps.readClock);
    await store.setNextRotation(trx, ring, retryAt(problem, now));
  });
  return undefined;
}

/** One due ring, from the queue. @returns undefined when another replica was faster or its conditions do not hold yet. */
export async function rotateDue(deps: RotateDeps, ring: string, actor: Actor): Promise<Rotated | undefined> {
  const found = await facts.findRing(deps.db, ring);
  if (!found) return undefined;
  const { standby, problem } = await look(deps, found);
  if (problem) return await postpone(deps, ring, problem);
  const next = await deps.rings.prepareKey(found).catch((error: unknown) => {
    if (error instanceof Problem) return error;
    throw error;
  });
  // The system that holds this ring's keys is away: the others go on.
  if (next instanceof Problem) return await postpone(deps, ring, next);
  const nothing = { result: undefined, records: [], affectsDecisions: false, commitBy: undefined };
  const rotated = await actInTime<Rotated | undefined>(deps, actor, async (trx) => {
    const locked = await lock(trx, ring, deps.readClock);
    // Somebody rotated between our look and our lock, or held it: the next look finds out.
    return refusal(locked, standby) ? nothing : await rotateLocked(trx, deps.rings, locked, next, actor);
  });
  if (rotated) await seeOwnChange(deps);
  return rotated;
}
