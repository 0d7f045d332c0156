// Proof at the verifier before use: a standby's canary is shown to STS, the active key's before and after it.
import { iso } from '../../clock.ts';
import { type Act, type Done, SYSTEM } from '../../audit/act.ts';
import type { Db } from '../../db/connect.ts';
import { Problem } from '../../errors.ts';
import { BETWEEN_LOOKS, type Canary, LOOKS, standbyProof } from '../../keys/canaries.ts';
import type { Check } from '../../keys/conditions.ts';
import type { Ring } from '../../keys/facts.ts';
import { heldBecauseRefused, holdRing } from '../../keys/hold.ts';
import { type KeyPolicy, seasoning } from '../../keys/policy.ts';
import { hasProofs, insertCanary, listCanaries } from '../../keys/proofs.ts';
import { lock } from '../../keys/rotate.ts';
import type { ReadClock } from '../../keys/store.ts';
import { activeKey, standbyKey } from '../../keys/timeline.ts';
import { lockConnection } from '../store.ts';
import { startVerification } from '../verification/store.ts';
import type { Pace } from './pace.ts';
import { type Ask, isAboutKey, isOverloaded, type NotAsked, type Show, type Shown } from './show.ts';

export interface StandbyDeps {
  db: Db;
  act: Act;
  readClock: ReadClock;
  show: Show;
  pace: Pace;
  /** The verifier has something to look at. */
  wake(): void;
  log: { warn(details: object, message: string): void };
}

/** A ring whose standby STS refuses is held for so long, and then asked about again. */
export const HELD_FOR = 24 * 3_600_000;

/** What one look found: of the standby itself, or of something else that kept it from saying. */
interface Look {
  outcome: Canary['outcome'];
  shown: Shown;
}

const asked = (answer: Shown | NotAsked): answer is Shown => !('notAsked' in answer);

/** Active, standby, and where the standby was refused the active once more: only between two successes is it about the key. */
async function look(show: Show, ring: Ring, kid: string): Promise<Look | undefined> {
  const ask = (signedBy: Ask['signedBy']) => show({ ring, about: 'standby', kid, signedBy });
  // A fault of our own at the key that signs anyway says nothing about its successor.
  const before = await ask('active').catch(ignoreProblem);
  if (!before || !asked(before)) return undefined;
  if (before.refusal) return { outcome: 'unclear', shown: before };
  const standby = await ask('this');
  if (!asked(standby)) return undefined;
  if (!standby.refusal) return { outcome: 'accepted', shown: standby };
  if (!isAboutKey(standby.refusal)) return { outcome: 'unclear', shown: standby };
  const after = await ask('active').catch(ignoreProblem);
  if (!after || !asked(after)) return undefined;
  return after.refusal ? { outcome: 'unclear', shown: after } : { outcome: 'refused', shown: standby };
}

function ignoreProblem(error: unknown): undefined {
  if (!(error instanceof Problem)) throw error;
}

/** What a refusal means in time: nobody is refused by waiting, but two promises of the policy no longer hold. */
function harmOf(ring: Ring, policy: KeyPolicy, now: number): Record<string, string> {
  const planned = (activeKey(ring.keys, now)?.signsFrom ?? now) + policy.period;
  return {
    // From then on a key signs that is older than its period; replaced before the second, the rotation is in time.
    harm_begins_at: iso(planned),
    replace_before: iso(planned - seasoning(policy)),
    // A standby that replaces it now signs from then: until then a revocation of the active key refuses callers.
    successor_from: iso(now + seasoning(policy)),
  };
}

function refusedProblem(ring: Ring, kid: string, more: { code: string; until: number; held: boolean; harm?: object }) {
  const { code, until, held, harm } = more;
  return new Problem(
    'standby_refused_by_sts',
    `AWS STS refuses the standby key of this ring (${code}), and takes the key that signs. ` +
      (held ? `Its rotations are held until ${iso(until)}.` : `It is asked again from ${iso(until)}.`),
    {
      hint:
        'Nobody is refused: the key that signs goes on signing. ' +
        (held
          ? `Replace the standby: countersign key revoke ${ring.issuer} ${kid}; the hold ends with it.`
          : `After ${LOOKS} refusals the ring is held.`),
      extra: { kid, until: iso(until), aws_code: code, ...harm },
    },
  );
}

/**
 * A connection's standby signs once STS took a canary of it. It is asked once per standby, and remembered for a day. A
 * refusal of the key, seen three times a minute apart, holds the ring. Anything else that STS may say is about the
 * customer's stack or about AWS: the rotation goes by the clock, and the verifier looks at the connection.
 */
export function createStandbyCheck(deps: StandbyDeps): Check {
  const { db, act, readClock, show, pace, wake, log } = deps;

  /** STS took it, or said something else. */
  async function writeDown(ring: Ring, canary: Omit<Canary, 'at'>, connection: string): Promise<void> {
    await act(SYSTEM, async (trx): Promise<Done<void>> => {
      await insertCanary(trx, { ...canary, at: await readClock(trx) });
      const { kid, outcome, code, requestId } = canary;
      const details = { ring: ring.id, kid, aws_code: code, request_id: requestId };
      return {
        result: undefined,
        records: [{ kind: `key.standby_${outcome}`, connection, details }],
        affectsDecisions: false,
      };
    });
  }

  /** A refusal of the key, and the ring's hold where it has been refused often enough. */
  async function refuse(
    ring: Ring,
    canary: Omit<Canary, 'at'>,
    refusals: number,
    connection: string,
  ): Promise<Problem> {
    const { kid, code = '', requestId } = canary;
    const reason = heldBecauseRefused(kid);
    return await act({ ...SYSTEM, reason }, async (trx): Promise<Done<Problem>> => {
      const locked = await lock(trx, ring.id, readClock);
      const { now, policy } = locked;
      await insertCanary(trx, { ...canary, at: now });
      const harm = harmOf(locked.ring, policy, now);
      const details = { ring: ring.id, kid, refusals, aws_code: code, request_id: requestId, ...harm };
      const record = { kind: 'key.standby_refused', connection, details };
      const stands = !locked.ring.retired && standbyKey(locked.ring.keys, now)?.kid === kid;
      if (refusals < LOOKS || !stands) {
        const problem = refusedProblem(ring, kid, { code, until: now + BETWEEN_LOOKS, held: false, harm });
        return { result: problem, records: [record], affectsDecisions: false };
      }
      const until = now + HELD_FOR;
      const held = await holdRing(trx, locked, until, { ...SYSTEM, reason });
      const problem = refusedProblem(ring, kid, { code, until, held: true, harm });
      return { ...held, result: problem, records: [record, ...held.records] };
    });
  }

  /** Whether the connection still works is the verifier's to say, in its own time. */
  async function askVerifier(connection: string): Promise<void> {
    const started = await act(SYSTEM, async (trx): Promise<Done<boolean>> => {
      const row = await lockConnection(trx, connection);
      if (row?.state !== 'active' || row.started_at) return { result: false, records: [], affectsDecisions: false };
      await startVerification(trx, connection);
      const records = [{ kind: 'connection.verification_requested', connection, details: { by: 'canary' } }];
      return { result: true, records, affectsDecisions: false };
    });
    if (started) wake();
  }

  return async (ring, standby) => {
    // Workload tokens are verified by whoever they are for, not by STS.
    if (ring.purpose !== 'web_identity_token' || !(await hasProofs(db))) return undefined;
    const { kid } = standby;
    const looks = (await listCanaries(db, [kid])).filter(({ about }) => about === 'standby');
    const known = standbyProof(looks, await readClock(db));
    if (known.state === 'proved') return undefined;
    if (known.state === 'waiting')
      return refusedProblem(ring, kid, { code: looks.at(-1)?.code ?? '', until: known.until, held: false });
    const found = await pace
      .run(() => look(show, ring, kid))
      .catch((error: unknown) => {
        // The standby's own canary could not be signed or put on record: its tokens would fare no better.
        if (error instanceof Problem) return error;
        throw error;
      });
    if (!found || found instanceof Problem) return found;
    const { id, refusal, otherRole, requestId, connection } = found.shown;
    const canary = { id, kid, about: 'standby' as const, outcome: found.outcome, code: refusal?.code, requestId };
    if (found.outcome === 'refused') {
      const problem = await refuse(ring, canary, known.refusals + 1, connection);
      log.warn({ ring: ring.id, connection, ...problem.options.extra }, problem.message);
      return problem;
    }
    if (refusal && isOverloaded(refusal)) pace.rest();
    await writeDown(ring, canary, connection);
    if (refusal?.side === 'account_owner' || otherRole) await askVerifier(connection);
    return undefined;
  };
}
