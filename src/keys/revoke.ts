// Revocation: a key leaves the JWKS in the transaction that lets its successor sign.
import { iso } from '../clock.ts';
import type { Actor } from '../audit/act.ts';
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { type Locked, outageAhead } from './conditions.ts';
import type { RingKey } from './facts.ts';
import { endHoldOf } from './hold.ts';
import { actOrLate, commitBy, type Dated } from './in-time.ts';
import { listTargetsWith } from './placements.ts';
import { seasoning } from './policy.ts';
import { activateStandby, getRing, lock, type RotateDeps, seeOwnChange } from './rotate.ts';
import * as store from './store.ts';
import { warnOfSuccessor } from './successor.ts';
import { activeKey, publishedKeys, seasonedAt, seasonedIfPlaced, standbyKey } from './timeline.ts';

export interface RevokedKey {
  kid: string;
  was: 'active' | 'standby' | 'verify_only';
}

export interface Consequences {
  revoked_at: string;
  /** Forgeries by what was revoked may pass until then: A + D, and e for a commit that came later than its time. */
  forgeries_until: string;
  /** Where the successor was not seasoned: callers may be refused until then. */
  outage_until?: string | undefined;
  /** Published copies that hold the key until `countersign publish` has run; forgeries may pass for A after that. */
  published_to?: string[] | undefined;
}

export interface Revoked extends RevokedKey, Consequences, Told {
  /** Of an active key's successor: whether it was seen in the JWKS that strangers are given. */
  successor_served?: boolean | undefined;
}

/** What came of a revocation, before the world is looked at. */
export interface Told {
  /** What whoever revoked must know, and do. */
  warnings?: string[] | undefined;
}

export const wasOf = (key: RingKey, keys: readonly RingKey[], now: number): RevokedKey['was'] => {
  if (activeKey(keys, now)?.kid === key.kid) return 'active';
  return standbyKey(keys, now)?.kid === key.kid ? 'standby' : 'verify_only';
};

/** @param outage until when callers may be refused, where that follows */
export async function consequences(
  trx: Transaction,
  { policy, now }: Locked,
  kids: readonly string[],
  outage: number | undefined,
): Promise<Consequences> {
  const copies = new Set<string>();
  for (const kid of kids) for (const target of await listTargetsWith(trx, kid)) copies.add(target);
  return {
    revoked_at: iso(now),
    forgeries_until: iso(now + seasoning(policy)),
    ...(outage === undefined ? {} : { outage_until: iso(outage) }),
    ...(copies.size === 0 ? {} : { published_to: [...copies].sort() }),
  };
}

export async function insertRevocation(
  trx: Transaction,
  kid: string,
  { ring, policy, now }: Locked,
  acceptedOutage: boolean,
  actor: Actor,
): Promise<void> {
  await store.insertRevocation(trx, { kid, at: now, acceptedOutage, reason: actor.reason ?? '', actor: actor.id });
  // STS is shown what it signs until it is refused; an activation of its successor may have set too early an end for that.
  if (ring.purpose === 'web_identity_token') return await store.setDestroyAt(trx, kid, now + seasoning(policy));
  // Nothing is proved with others: until then a peer may not know of the revocation, and what it signs is dead.
  await store.hastenDestroyAt(trx, kid, now + policy.oldestSigned + policy.clockError);
}

function findRevocable({ ring, now }: Locked, kid: string): RingKey {
  const key = ring.keys.find((candidate) => candidate.kid === kid);
  if (!key)
    throw new Problem('not_found', 'This ring has no such key.', { hint: 'See GET /v1/keys/{issuer} for its keys.' });
  if (key.revokedAt !== undefined)
    throw new Problem('key_revoked', 'This key is revoked already.', {
      hint: 'Nothing more is to be done.',
      extra: { revoked_at: iso(key.revokedAt) },
    });
  if (!publishedKeys(ring.keys, now).includes(key)) {
    throw new Problem('key_not_revocable', 'This key was removed from the JWKS already.', {
      hint: 'Nothing verifies with it any more.',
    });
  }
  return key;
}

/**
 * Takes a key out of the JWKS; its live tokens die with it. An active key's revocation is one transaction with its
 * successor's activation, a standby's with its replacement; a ring whose connection was disconnected has neither.
 * @throws Problem `standby_unseasoned`, `standby_refused_by_sts` unless the outage is accepted; `key_revoked`, `key_not_revocable`, `not_found`
 */
export async function revoke(
  deps: RotateDeps,
  input: { ring: string; kid: string; acceptOutage: boolean },
  actor: Actor,
): Promise<Revoked> {
  const found = await getRing(deps.db, input.ring);
  const next = await deps.rings.prepareKey(found);
  const result = await actOnRevoked(deps, input.ring, actor, async (trx): Promise<Dated<Revoked>> => {
    const locked = await lock(trx, input.ring, deps.readClock);
    const { ring, policy, now } = locked;
    const key = findRevocable(locked, input.kid);
    const was = wasOf(key, ring.keys, now);
    const standby = standbyKey(ring.keys, now);
    let outage: number | undefined;
    if (was === 'active' && standby && !ring.retired && seasonedAt(standby, policy) > now) {
      outage = seasonedIfPlaced(standby, policy, now);
      if (!input.acceptOutage) throw outageAhead('standby_unseasoned', 'The standby key is not seasoned', outage);
    }
    const successor = was === 'active' && !ring.retired ? standby : undefined;
    const warnings = successor ? await warnOfSuccessor(trx, locked, successor, input.acceptOutage) : [];
    if (!ring.retired) {
      if (was === 'active') await activateStandby(trx, deps.rings, locked, next, actor);
      if (was === 'standby') await deps.rings.insertKey(trx, ring, next, now, false);
    }
    await insertRevocation(trx, key.kid, locked, outage !== undefined, actor);
    const told = warnings.length === 0 ? {} : { warnings };
    const revoked: Revoked = { kid: key.kid, was, ...(await consequences(trx, locked, [key.kid], outage)), ...told };
    const gone = [key.kid, ...(successor ? [successor.kid] : [])];
    return {
      result: revoked,
      records: [
        { kind: 'key.revoked', details: { ring: ring.id, ...revoked } },
        ...(await endHoldOf(trx, locked, gone, actor)),
      ],
      affectsDecisions: true,
      // What a verify-only key leaves behind begins nothing that others reckon from.
      commitBy: was === 'verify_only' || ring.retired ? undefined : commitBy(locked),
    };
  });
  await seeOwnChange(deps);
  return result.was === 'active' ? { ...result, ...(await lookForSuccessor(deps, input.ring)) } : result;
}

/**
 * Revoked late rather than never. The standby that is published with it is then seasoned as much too early: that is said,
 * and on record.
 */
export async function actOnRevoked<T extends Told & Partial<Pick<Consequences, 'forgeries_until'>>>(
  deps: RotateDeps,
  ring: string,
  actor: Actor,
  work: (trx: Transaction) => Promise<Dated<T>>,
): Promise<T> {
  const { result, late } = await actOrLate(deps, actor, work);
  if (late === 0) return result;
  const warning = `The database took ${late} ms longer for this than the key policy allows, and it was done all the same. Once it is faster, replace the standby of ${ring}, which counts from too early a time: countersign key revoke.`;
  const record = { kind: 'key.revoked_late', details: { ring, late_ms: late } };
  // What was committed is answered, whether or not this can be written down; what was revoked may have signed its actor's token.
  const confirmed = { ...actor, confirm: async () => {} };
  await deps.act(confirmed, async () => ({ result, records: [record], affectsDecisions: false })).catch(() => {});
  const { forgeries_until: until, warnings = [] } = result;
  const longer = until === undefined ? {} : { forgeries_until: iso(Date.parse(until) + late) };
  return { ...result, ...longer, warnings: [...warnings, warning] };
}

/** After the commit, which did not wait for it: what strangers are given may come from a cache. */
export async function lookForSuccessor(
  { db, readClock, served }: RotateDeps,
  ringId: string,
): Promise<{ successor_served?: boolean }> {
  if (!served) return {};
  try {
    const ring = await getRing(db, ringId);
    const successor = activeKey(ring.keys, await readClock(db));
    if (!successor || ring.retired) return {};
    return { successor_served: (await served(ring, successor)) === undefined };
  } catch {
    // What was committed is answered, whatever can be looked at afterwards.
    return {};
  }
}
