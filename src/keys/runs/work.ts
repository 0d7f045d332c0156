// Rotation runs are worked off by whichever replica comes first: one ring after the other, at the run's rate for all of them.
import { type Actor, SYSTEM } from '../../audit/act.ts';
import type { Db } from '../../db/connect.ts';
import { hasTable } from '../../db/has-table.ts';
import { Problem } from '../../errors.ts';
import { retryAt } from '../conditions.ts';
import { findRing } from '../facts.ts';
import { actInTime } from '../in-time.ts';
import { lock, look, refusal, rotateLocked, type RotateDeps, seeOwnChange } from '../rotate.ts';
import { activeKey } from '../timeline.ts';
import * as store from './store.ts';

/** Longer than a rotation lasts, its checks at their deadlines included; milliseconds. */
const LEASE = 120_000;
/** Rings written down in one transaction. */
const LISTED = 2_000;
/** How much of the rate may be made up for after a pause: between two turns of the background; milliseconds. */
const MADE_UP = 2_000;
/** A ring that fails as often for a reason that nobody names is given up. */
const ATTEMPTS = 5;
const LANES = 2;
/** Until a run is looked at again whose last rings somebody works on; milliseconds. */
const SOON = 2_000;

interface Leased {
  run: store.Run;
  ring: string;
  attempts: number;
}

/** @returns a ring to rotate; 'more' where the run went on otherwise; undefined where there is nothing to do now */
async function leaseNext({ db, readClock }: RotateDeps): Promise<Leased | 'more' | undefined> {
  return await db.transaction().execute(async (trx) => {
    const now = await readClock(trx);
    const run = await store.lockOpenRun(trx, now);
    if (!run) return undefined;
    if (run.listed !== null) {
      await store.listMoreRings(trx, run, run.listed, LISTED);
      return 'more';
    }
    const leased = await store.leaseRing(trx, run.id, now, now + LEASE);
    if (leased) {
      const paced = Math.max(run.nextAt, now - MADE_UP) + 60_000 / run.ratePerMinute;
      await store.updateRun(trx, run.id, { nextAt: Math.ceil(paced) });
      return { run, ...leased };
    }
    const next = await store.nextWaiting(trx, run.id);
    // What may be a lease ends sooner, as a rule.
    const nextAt = next !== undefined && next <= now + LEASE ? Math.min(next, now + SOON) : next;
    await store.updateRun(trx, run.id, nextAt === undefined ? { endedAt: now } : { nextAt });
    return 'more';
  });
}

const reasonOf = ({ code, message }: Problem): { code: string; detail: string } => ({ code, detail: message });

async function putOff(db: Db, leased: Leased, problem: Problem, now: number): Promise<void> {
  const state = problem.code === 'ring_retired' ? 'failed' : 'waiting';
  const at = { run: leased.run.id, ring: leased.ring };
  await store.updateRunRing(db, at, { state, nextAt: retryAt(problem, now), ...reasonOf(problem) });
}

/** One ring of a run. A ring that was rotated since the run began is done, by whomever. */
async function rotateRing(deps: RotateDeps, leased: Leased): Promise<void> {
  const { db, readClock } = deps;
  const { run } = leased;
  const at = { run: run.id, ring: leased.ring };
  const ring = await findRing(db, leased.ring);
  if (!ring) return;
  const done = (keys: typeof ring.keys, now: number): string | undefined => {
    const active = activeKey(keys, now);
    return (active?.signsFrom ?? 0) > run.createdAt ? active?.kid : undefined;
  };
  const now = await readClock(db);
  const already = done(ring.keys, now);
  if (already) return await store.updateRunRing(db, at, { state: 'done', kid: already });
  const { standby, problem } = await look(deps, ring);
  if (problem) return await putOff(db, leased, problem, now);
  const next = await deps.rings.prepareKey(ring);
  const actor: Actor = {
    ...{ id: run.actor, as: run.as, reason: run.reason },
    confirm: async (trx) => {
      if (!(await deps.mayStillRotate(trx, run.actor))) throw mayNoMore();
    },
  };
  await actInTime<unknown>(deps, actor, async (trx) => {
    const nothing = { result: undefined, records: [], affectsDecisions: false, commitBy: undefined };
    if (!(await store.isRunOpen(trx, run.id))) return nothing;
    const locked = await lock(trx, leased.ring, readClock);
    const meanwhile = done(locked.ring.keys, locked.now);
    const refused = meanwhile ? undefined : refusal(locked, standby);
    if (refused) await putOff(trx, leased, refused, locked.now);
    if (refused) return nothing;
    if (meanwhile) {
      await store.updateRunRing(trx, at, { state: 'done', kid: meanwhile });
      return nothing;
    }
    const rotated = await rotateLocked(trx, deps.rings, locked, next, actor);
    await store.updateRunRing(trx, at, { state: 'done', kid: rotated.result.kid });
    const records = rotated.records.map((record) => ({ ...record, details: { ...record.details, run: run.id } }));
    return { ...rotated, records };
  });
}

const mayNoMore = (): Problem =>
  new Problem('insufficient_scope', 'Whoever asked for this rotation may not rotate keys any more.', {
    hint: 'Somebody who may can ask for it anew.',
  });

/** Nothing more is done in the name of somebody who may not do it any more. */
async function end({ act, readClock }: RotateDeps, { run }: Leased, { message }: Problem): Promise<void> {
  await act({ ...SYSTEM, reason: message }, async (trx) => {
    const changed = await store.cancelRun(trx, run.id, await readClock(trx), SYSTEM.id);
    const records = changed ? [{ kind: 'rotation.cancelled', details: { run: run.id, asked_by: run.actor } }] : [];
    return { result: undefined, records, affectsDecisions: false };
  });
}

/** What has a name is waited for, or ends the run. @returns whether it is a fault, which the log is told */
async function settle(deps: RotateDeps, leased: Leased, error: unknown): Promise<boolean> {
  const code = error instanceof Problem ? error.code : undefined;
  if (code === 'insufficient_scope') await end(deps, leased, error as Problem);
  else if (code === 'unavailable') await putOff(deps.db, leased, error as Problem, await deps.readClock(deps.db));
  else {
    await failed(deps, leased);
    return true;
  }
  return false;
}

async function failed({ db, readClock }: RotateDeps, leased: Leased): Promise<void> {
  const now = await readClock(db);
  const last = leased.attempts >= ATTEMPTS;
  await store.updateRunRing(
    db,
    { run: leased.run.id, ring: leased.ring },
    {
      ...{ state: last ? 'failed' : 'waiting', nextAt: now + 60_000 * leased.attempts },
      ...{ code: 'internal', detail: 'It failed for a reason that is in the log of the service.' },
    },
  );
}

/**
 * @returns what works off open runs until `stopped` says otherwise or there is nothing to do now
 * @throws the first fault; its ring is tried again later, and the others were not held up
 */
export function createRunWorker(deps: RotateDeps): (stopped?: () => boolean) => Promise<void> {
  let migrated = false;
  const quiet = { ...deps, changed: async () => {} };
  return async (stopped = () => false) => {
    migrated ||= await hasTable(deps.db, 'rotation_runs');
    if (!migrated) return;
    const faults: unknown[] = [];
    let worked = false;
    const lane = async (): Promise<void> => {
      while (!stopped()) {
        const leased = await leaseNext(deps);
        if (leased === undefined) return;
        if (leased === 'more') continue;
        worked = true;
        try {
          await rotateRing(quiet, leased);
        } catch (error) {
          if (await settle(deps, leased, error)) faults.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    if (worked) await seeOwnChange(deps);
    if (faults.length > 0) throw faults[0];
  };
}
