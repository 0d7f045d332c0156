// A hold: rotations of a ring stop until a time, by the latest word on it. A resume is a hold that ends now.
import { iso } from '../clock.ts';
import { type Actor, type Done, SYSTEM } from '../audit/act.ts';
import type { Transaction } from '../db/connect.ts';
import { hasTable } from '../db/has-table.ts';
import { Problem } from '../errors.ts';
import { type Locked, ringRetired } from './conditions.ts';
import { listRingKeys } from './facts.ts';
import { lock, type RotateDeps } from './rotate.ts';
import { wakeRing } from './runs/store.ts';
import * as store from './store.ts';
import { plannedAt } from './timeline.ts';

/** Nobody stops rotations for longer with one word: a key would grow old because somebody forgot. */
export const LONGEST_HOLD = 90 * 24 * 3_600_000;

export interface Held {
  ring: string;
  /** Rotations go on from then. */
  held_until: string;
  /** Where another hold stood: its end. */
  was_held_until?: string | undefined;
}

export interface Resumed {
  ring: string;
  /** False where no hold stood. */
  changed: boolean;
  next_rotation_at?: string | undefined;
}

const nothing = <T>(result: T): Done<T> => ({ result, records: [], affectsDecisions: false });

/**
 * Holds a ring, or changes the end of its hold. Planned and queued rotations wait, `--now` is refused; a revocation is
 * not. Under the ring's lock, in the transaction of an act: people's, or the service's own with its reason.
 * @param until milliseconds since the epoch, on the database's clock
 * @throws Problem `hold_out_of_range`, `ring_retired`
 */
export async function holdRing(
  trx: Transaction,
  { ring, policy, now }: Locked,
  until: number,
  actor: Actor,
): Promise<Done<Held>> {
  if (ring.retired) throw ringRetired();
  if (until <= now || until > now + LONGEST_HOLD) {
    throw new Problem('hold_out_of_range', `A hold ends in the future, at ${iso(now + LONGEST_HOLD)} at the latest.`, {
      hint: 'Hold it for at most 90 days; a hold that stands can be extended.',
    });
  }
  const before = ring.heldUntil !== undefined && ring.heldUntil > now ? iso(ring.heldUntil) : undefined;
  const held = { ring: ring.id, held_until: iso(until), ...(before === undefined ? {} : { was_held_until: before }) };
  if (before === held.held_until) return nothing(held);
  await store.insertHold(trx, { ring: ring.id, until, at: now, reason: actor.reason ?? '', actor: actor.id });
  await store.setNextRotation(trx, ring.id, Math.max(until, plannedAt(ring.keys, policy, now) ?? until));
  return { result: held, records: [{ kind: 'key.held', details: { ...held } }], affectsDecisions: false };
}

/** Lets the rotations of a ring go on, where they would have been without the hold. Twice is once. */
export async function resumeRing(
  trx: Transaction,
  { ring, policy, now }: Locked,
  actor: Actor,
): Promise<Done<Resumed>> {
  const next = plannedAt(ring.keys, policy, now);
  const result = { ring: ring.id, changed: false, ...(next === undefined ? {} : { next_rotation_at: iso(next) }) };
  if (ring.heldUntil === undefined || ring.heldUntil <= now) return nothing(result);
  await store.insertHold(trx, { ring: ring.id, until: now, at: now, reason: actor.reason ?? '', actor: actor.id });
  await store.setNextRotation(trx, ring.id, next ?? now);
  if (await hasTable(trx, 'rotation_runs')) await wakeRing(trx, ring.id, now);
  return {
    result: { ...result, changed: true },
    records: [{ kind: 'key.resumed', details: { ...result, changed: undefined, was_held_until: iso(ring.heldUntil) } }],
    affectsDecisions: false,
  };
}

/** The reason of a hold that the service sets itself. */
export function heldBecauseRefused(kid: string): string {
  return `AWS STS refuses the standby key ${kid}`;
}

/**
 * Ends the hold that stands because STS refused one of these keys, which are no standbys any more: nothing is left that
 * it waits for. A person's hold stays.
 */
export async function endHoldOf(
  trx: Transaction,
  locked: Locked,
  kids: readonly string[],
  actor: Actor,
): Promise<Done<unknown>['records']> {
  const { ring, now } = locked;
  if (ring.retired || ring.heldUntil === undefined || ring.heldUntil <= now) return [];
  const stands = await store.findHold(trx, ring.id);
  if (stands?.actor !== SYSTEM.id || !kids.some((kid) => stands.reason === heldBecauseRefused(kid))) return [];
  const after = { ...locked, ring: { ...ring, keys: await listRingKeys(trx, ring.id) } };
  const reason = 'the standby key that AWS STS refused is replaced';
  return (await resumeRing(trx, after, { ...actor, reason })).records;
}

/** @param end on the database's clock, or from now on; milliseconds. @throws Problem `hold_out_of_range`, `not_found` */
export async function hold(
  deps: RotateDeps,
  ring: string,
  end: { until: number } | { duration: number },
  actor: Actor,
): Promise<Held> {
  return await deps.act(actor, async (trx) => {
    const locked = await lock(trx, ring, deps.readClock);
    return await holdRing(trx, locked, 'until' in end ? end.until : locked.now + end.duration, actor);
  });
}

/** @throws Problem `not_found` */
export async function resume(deps: RotateDeps, ring: string, actor: Actor): Promise<Resumed> {
  return await deps.act(actor, async (trx) => await resumeRing(trx, await lock(trx, ring, deps.readClock), actor));
}
