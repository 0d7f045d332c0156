// Revocation: a key leaves the JWKS in the transaction that lets its successor sign.
import type { Actor } from '../audit/act.ts';
import { Problem } from '../errors.ts';
import { listTargetsWith } from './placements.ts';
import { seasoning } from './policy.ts';
import { activateStandby, getRing, lock, type RotateDeps, show } from './rotate.ts';
import * as store from './store.ts';
import { activeKey, publishedKeys, seasonedAt, seasonedIfPlaced, standbyKey } from './timeline.ts';

const iso = (ms: number): string => new Date(ms).toISOString();

export interface Revoked {
  kid: string;
  was: 'active' | 'standby' | 'verify_only';
  revoked_at: string;
  /** Forgeries by this key may pass until then. */
  forgeries_until: string;
  /** Where the successor was not seasoned: callers may be refused until then. */
  outage_until?: string | undefined;
  /** Published copies that hold the key until `countersign publish` has run; forgeries may pass for A after that. */
  published_to?: string[] | undefined;
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
  const found = await getRing(deps.db, input.ring);
  const next = await deps.rings.prepareKey(found);
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
      outage = seasonedIfPlaced(standby, policy, now);
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
    const copies = await listTargetsWith(trx, key.kid);
    const revoked: Revoked = {
      ...{ kid: key.kid, was: isActive ? 'active' : isStandby ? 'standby' : 'verify_only', revoked_at: iso(now) },
      forgeries_until: iso(now + policy.verifierCache + policy.oldestServed),
      ...(outage === undefined ? {} : { outage_until: iso(outage) }),
      ...(copies.length === 0 ? {} : { published_to: copies }),
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
