// Rotation and revocation: one operation, an insert whose conditions hold, under the ring's row lock.
import type { Act, Actor, Done } from '../audit/act.ts';
import type { Db, Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { readPolicy } from './policies.ts';
import { destruction, type KeyPolicy, MAX_KEYS, retirement, seasoning } from './policy.ts';
import type { PreparedKey, Rings } from './rings.ts';
import * as facts from './facts.ts';
import * as store from './store.ts';
import { activeKey, nextRotationAt, publishedKeys, seasonedAt, standbyKey } from './timeline.ts';

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
  /** Called after a commit, so that this process sees its own change at once. */
  changed: () => Promise<void>;
}

/** What was committed stands, whether or not this process could look at it: its next refresh does. */
async function show({ changed }: RotateDeps): Promise<void> {
  await changed().catch(() => {});
}

const iso = (ms: number): string => new Date(ms).toISOString();

interface Locked {
  ring: facts.Ring;
  policy: KeyPolicy;
  now: number;
}

/** Locks the ring first; the clock is read after the wait. */
async function lock(trx: Transaction, id: string, readClock: store.ReadClock): Promise<Locked> {
  const row = await store.lockRing(trx, id);
  if (!row) throw new Problem('not_found', 'There is no such ring of keys.', { hint: 'List them with GET /v1/keys.' });
  const ring = { ...row, keys: await facts.listRingKeys(trx, id) };
  const now = await readClock(trx);
  return { ring, policy: await readPolicy(trx, now), now };
}

/** Activates the standby and publishes the next one, prepared before. */
async function activateStandby(
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

/** Where a planned rotation's conditions do not hold: what is missing, and from when it is there. */
function obstacle({ ring, policy, now }: Locked): Problem | undefined {
  if (ring.heldUntil !== undefined && ring.heldUntil > now) {
    return new Problem('ring_held', `Rotations of this ring are on hold until ${iso(ring.heldUntil)}.`, {
      hint: 'Resume it first, or wait.',
      extra: { until: iso(ring.heldUntil) },
    });
  }
  const standby = standbyKey(ring.keys, now);
  if (standby && seasonedAt(standby, policy) > now) {
    const from = iso(seasonedAt(standby, policy));
    return new Problem(
      'standby_unseasoned',
      `The standby key was published too recently: verifiers may not know it before ${from}.`,
      {
        hint: `Try again from ${from}; the key that signs now goes on signing.`,
        retryAfter: Math.ceil((seasonedAt(standby, policy) - now) / 1000),
        extra: { seasoned_at: from },
      },
    );
  }
  if (publishedKeys(ring.keys, now).length + 1 > MAX_KEYS) {
    return new Problem('ring_full', `This ring has ${MAX_KEYS} published keys already.`, {
      hint: 'Wait until the oldest verify-only key is removed.',
    });
  }
  return undefined;
}

function recorded(kind: string, rotated: Rotated): Done<Rotated> {
  return { result: rotated, records: [{ kind, details: { ...rotated } }], affectsDecisions: false };
}

/**
 * Rotates in the call.
 * @throws Problem `standby_unseasoned`, `ring_held`, `ring_full`, `not_found`
 */
export async function rotateNow(deps: RotateDeps, ring: string, actor: Actor): Promise<Rotated> {
  const found = await facts.findRing(deps.db, ring);
  if (!found)
    throw new Problem('not_found', 'There is no such ring of keys.', { hint: 'List them with GET /v1/keys.' });
  const next = await deps.rings.prepareKey(found.algorithm);
  const rotated = await deps.act(actor, async (trx) => {
    const locked = await lock(trx, ring, deps.readClock);
    const problem = obstacle(locked);
    if (problem) throw problem;
    return recorded('key.rotated', await activateStandby(trx, deps.rings, locked, next, actor));
  });
  await show(deps);
  return rotated;
}

/** Queues a ring: the background rotates it as soon as its conditions hold. @returns when that can be. */
export async function queueRotation(
  deps: RotateDeps,
  ring: string,
  actor: Actor,
): Promise<{ ring: string; not_before: string }> {
  return await deps.act(actor, async (trx) => {
    const { ring: locked, policy, now } = await lock(trx, ring, deps.readClock);
    const standby = standbyKey(locked.keys, now);
    const at = Math.max(now, locked.heldUntil ?? 0, standby ? seasonedAt(standby, policy) : now);
    await store.setNextRotation(trx, ring, at);
    const result = { ring, not_before: iso(at) };
    return { result, records: [{ kind: 'key.rotation_queued', details: result }], affectsDecisions: false };
  });
}

/** One due ring, from the queue. @returns undefined when another replica was faster or its conditions do not hold yet. */
export async function rotateDue(deps: RotateDeps, ring: string, actor: Actor): Promise<Rotated | undefined> {
  const found = await facts.findRing(deps.db, ring);
  if (!found) return undefined;
  const next = await deps.rings.prepareKey(found.algorithm);
  const rotated = await deps.act<Rotated | undefined>(actor, async (trx) => {
    const locked = await lock(trx, ring, deps.readClock);
    const active = activeKey(locked.ring.keys, locked.now);
    const nothing = { result: undefined, records: [], affectsDecisions: false };
    // Somebody rotated between our look and our lock.
    if (!active || active.kid !== activeKey(found.keys, locked.now)?.kid) return nothing;
    const problem = obstacle(locked);
    if (problem) {
      const retry = problem.options.extra?.['seasoned_at'] ?? problem.options.extra?.['until'];
      await store.setNextRotation(trx, ring, typeof retry === 'string' ? Date.parse(retry) : locked.now + 60_000);
      return nothing;
    }
    return recorded('key.rotated', await activateStandby(trx, deps.rings, locked, next, actor));
  });
  if (rotated) await show(deps);
  return rotated;
}

export interface Revoked {
  kid: string;
  was: 'active' | 'standby' | 'verify_only';
  revoked_at: string;
  /** Forgeries by this key may pass until then. */
  forgeries_until: string;
  /** Where the successor was not seasoned: callers may be refused until then. */
  outage_until?: string | undefined;
}

/**
 * Takes a key out of the JWKS; its live tokens die with it. An active key's revocation is one transaction with its
 * successor's activation, a standby's with its replacement.
 * @throws Problem `standby_unseasoned` unless the outage is accepted; `key_revoked`, `key_not_revocable`, `not_found`
 */
export async function revoke(
  deps: RotateDeps,
  input: { ring: string; kid: string; acceptOutage: boolean },
  actor: Actor,
): Promise<Revoked> {
  const found = await facts.findRing(deps.db, input.ring);
  if (!found)
    throw new Problem('not_found', 'There is no such ring of keys.', { hint: 'List them with GET /v1/keys.' });
  const next = await deps.rings.prepareKey(found.algorithm);
  const result = await deps.act(actor, async (trx) => {
    const locked = await lock(trx, input.ring, deps.readClock);
    const { ring, policy, now } = locked;
    const key = ring.keys.find((candidate) => candidate.kid === input.kid);
    if (!key)
      throw new Problem('not_found', 'This ring has no such key.', { hint: 'See GET /v1/keys/{issuer} for its keys.' });
    if (key.revokedAt !== undefined)
      throw new Problem('key_revoked', 'This key is revoked already.', {
        hint: 'Nothing more is to be done.',
        extra: { revoked_at: iso(key.revokedAt) },
      });
    const standby = standbyKey(ring.keys, now);
    const isActive = activeKey(ring.keys, now)?.kid === key.kid;
    const isStandby = standby?.kid === key.kid;
    if (!isActive && !isStandby && !publishedKeys(ring.keys, now).includes(key)) {
      throw new Problem('key_not_revocable', 'This key was removed from the JWKS already.', {
        hint: 'Nothing verifies with it any more.',
      });
    }
    let outage: number | undefined;
    if (isActive && standby && seasonedAt(standby, policy) > now) {
      outage = seasonedAt(standby, policy);
      if (!input.acceptOutage) {
        throw new Problem(
          'standby_unseasoned',
          `The standby key is not seasoned before ${iso(outage)}: revoking now may refuse callers until then.`,
          {
            hint: 'Repeat it with accept_outage: true if the key must go now.',
            extra: { seasoned_at: iso(outage) },
          },
        );
      }
    }
    await store.insertRevocation(trx, {
      kid: key.kid,
      at: now,
      acceptedOutage: outage !== undefined,
      reason: actor.reason ?? '',
      actor: actor.id,
    });
    if (isActive) await activateStandby(trx, deps.rings, locked, next, actor);
    if (isStandby) await deps.rings.insertKey(trx, ring, next, now, false);
    // The activation above gave its predecessor a gentler end than a revoked key may have.
    await store.setDestroyAt(trx, key.kid, now + seasoning(policy));
    const revoked: Revoked = {
      ...{ kid: key.kid, was: isActive ? 'active' : isStandby ? 'standby' : 'verify_only', revoked_at: iso(now) },
      forgeries_until: iso(now + policy.verifierCache + policy.oldestServed),
      ...(outage === undefined ? {} : { outage_until: iso(outage) }),
    };
    return {
      result: revoked,
      records: [{ kind: 'key.revoked', details: { ring: ring.id, ...revoked } }],
      affectsDecisions: true,
    };
  });
  await show(deps);
  return result;
}
