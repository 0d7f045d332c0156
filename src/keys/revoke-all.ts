// Revocation of a whole ring: where its standby may be burnt too, a fresh key signs.
import type { Actor } from '../audit/act.ts';
import type { Transaction } from '../db/connect.ts';
import { type Locked, outageAhead } from './conditions.ts';
import type { RingKey } from './facts.ts';
import { endHoldOf } from './hold.ts';
import { commitBy, type Dated } from './in-time.ts';
import {
  actOnRevoked,
  type Consequences,
  consequences,
  insertRevocation,
  lookForSuccessor,
  type RevokedKey,
  type Told,
  wasOf,
} from './revoke.ts';
import { addPlacements } from './placements.ts';
import type { PreparedKey } from './rings.ts';
import { activateStandby, getRing, lock, type RotateDeps, seeOwnChange } from './rotate.ts';
import { warnOfSuccessor } from './successor.ts';
import { activeKey, publishedKeys, seasonedAt, seasonedIfPlaced, standbyKey } from './timeline.ts';

export interface AllRevoked extends Partial<Consequences>, Told {
  ring: string;
  /** False where no key was published before the time given: it was done before. */
  changed: boolean;
  revoked: RevokedKey[];
  /** The key that signs from now on, and the one after it; neither where the connection was disconnected. */
  signs?: string | undefined;
  standby?: string | undefined;
  /** Whether the key that signs now was seen in the JWKS that strangers are given. */
  successor_served?: boolean | undefined;
}

interface Succession extends Told {
  signs?: string | undefined;
  standby?: string | undefined;
  /** Where the key that now signs is not seasoned: milliseconds since the epoch. */
  outage?: number | undefined;
}

/** Puts fresh keys in the place of those that are burnt, and lets one that is not sign. */
async function succeed(
  trx: Transaction,
  { rings }: RotateDeps,
  locked: Locked,
  burnt: readonly RingKey[],
  { fresh, acceptOutage, actor }: { fresh: [PreparedKey, PreparedKey]; acceptOutage: boolean; actor: Actor },
): Promise<Succession> {
  const { ring, policy, now } = locked;
  const [first, second] = fresh;
  const [active, standby] = [activeKey(ring.keys, now), standbyKey(ring.keys, now)];
  if (ring.retired || !active || !standby) return {};
  const standbyIsBurnt = burnt.includes(standby);
  if (!burnt.includes(active)) {
    if (standbyIsBurnt) await rings.insertKey(trx, ring, first, now, false);
    return { signs: active.kid, standby: standbyIsBurnt ? first.kid : standby.kid };
  }
  const [born] = await addPlacements(trx, [{ ...first, publishedAt: now, bornWithRing: false }]);
  const successor = standbyIsBurnt && born ? born : standby;
  const outage = seasonedAt(successor, policy) > now ? seasonedIfPlaced(successor, policy, now) : undefined;
  if (outage !== undefined && !acceptOutage)
    throw outageAhead('outage_ahead', 'The key that is to sign is not known to every verifier', outage);
  const warnings = standbyIsBurnt ? [] : await warnOfSuccessor(trx, locked, standby, acceptOutage);
  if (standbyIsBurnt) await rings.insertKey(trx, ring, first, now, false);
  const keys = [...ring.keys.filter((key) => key !== standby), successor];
  const next = standbyIsBurnt ? second : first;
  await activateStandby(trx, rings, { ...locked, ring: { ...ring, keys } }, next, actor);
  return { signs: successor.kid, standby: next.kid, outage, ...(warnings.length === 0 ? {} : { warnings }) };
}

/**
 * Takes every key of a ring out of the JWKS that was published before a time, the standby too: for when what opens them
 * all may be known to somebody (the KEK, a process's memory). Fresh keys take their places in the same transaction.
 * Again is nothing more: what was made since is not revoked.
 * @param input.publishedBefore milliseconds since the epoch; all that is published unless given
 * @throws Problem `outage_ahead`, `standby_refused_by_sts` unless the outage is accepted; `not_found`
 */
export async function revokeAll(
  deps: RotateDeps,
  input: { ring: string; publishedBefore?: number | undefined; acceptOutage: boolean },
  actor: Actor,
): Promise<AllRevoked> {
  const found = await getRing(deps.db, input.ring);
  const fresh: [PreparedKey, PreparedKey] = [await deps.rings.prepareKey(found), await deps.rings.prepareKey(found)];
  const result = await actOnRevoked(deps, input.ring, actor, async (trx): Promise<Dated<AllRevoked>> => {
    const locked = await lock(trx, input.ring, deps.readClock);
    const { ring, now } = locked;
    const before = input.publishedBefore ?? now + 1;
    const burnt = publishedKeys(ring.keys, now).filter((key) => key.publishedAt < before);
    const revoked = burnt.map((key): RevokedKey => ({ kid: key.kid, was: wasOf(key, ring.keys, now) }));
    if (burnt.length === 0)
      return {
        ...{ result: { ring: ring.id, changed: false, revoked }, records: [] },
        ...{ affectsDecisions: false, commitBy: undefined },
      };
    const { acceptOutage } = input;
    const { outage, ...successors } = await succeed(trx, deps, locked, burnt, { fresh, acceptOutage, actor });
    for (const { kid } of burnt) await insertRevocation(trx, kid, locked, outage !== undefined, actor);
    const kids = burnt.map(({ kid }) => kid);
    const after = { ...successors, ...(await consequences(trx, locked, kids, outage)) };
    const details = revoked.map((key) => ({ ring: ring.id, ...key, all_burnt: true, ...after }));
    return {
      result: { ring: ring.id, changed: true, revoked, ...after },
      records: [
        ...details.map((each) => ({ kind: 'key.revoked', details: each })),
        ...(await endHoldOf(
          trx,
          locked,
          [...kids, ...(successors.signs === undefined ? [] : [successors.signs])],
          actor,
        )),
      ],
      affectsDecisions: true,
      commitBy: successors.signs === undefined ? undefined : commitBy(locked),
    };
  });
  if (!result.changed) return result;
  await seeOwnChange(deps);
  return { ...result, ...(await lookForSuccessor(deps, input.ring)) };
}
