// Proof of revocation: a revoked key's canaries are shown to STS until it refuses them; then its private half is destroyed.
import { type Act, type Done, SYSTEM } from '../../audit/act.ts';
import type { Db } from '../../db/connect.ts';
import { Problem } from '../../errors.ts';
import { type Canary, nextLookAt, type RevocationStanding, revocationStanding } from '../../keys/canaries.ts';
import { findRing, type Ring } from '../../keys/facts.ts';
import { readPolicy } from '../../keys/policies.ts';
import { hasProofs, insertCanary, listCanaries } from '../../keys/proofs.ts';
import type { ReadClock } from '../../keys/store.ts';
import type { Pace } from './pace.ts';
import { isAboutKey, isOverloaded, type NotAsked, type Show, type Shown } from './show.ts';
import {
  deletePrivateKey,
  endProof,
  findProofFacts,
  leaseProofs,
  lockLeased,
  postponeProof,
  type ProofFacts,
  queueRevocations,
} from './store.ts';

export interface RevocationDeps {
  db: Db;
  act: Act;
  readClock: ReadClock;
  show: Show;
  pace: Pace;
  /** Whether what stands in front of the service, a bucket or a CDN, serves the key no more: before that STS must take it. */
  publishedWithout(kid: string): Promise<boolean>;
  /** A private half was destroyed: this process forgets it. */
  drop(kid: string): void;
  log: { error(details: object, message: string): void };
}

/** Longer than the slowest look. */
const LEASE_MS = 60_000;
const AT_ONCE = 4;
/** Where nothing was minted: sealed, no connection that works, no turn, or a bucket that still serves the key. */
const NOT_ASKED_MS = 60_000;
/** Leases taken in one turn at most, so that a stop waits for few. */
const ROUNDS = 5;

const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString());

interface Found extends Pick<Canary, 'id' | 'outcome' | 'requestId'> {
  refusal?: Shown['refusal'];
}

/**
 * The revoked key's canary; where it is refused the active key's too, which STS must take: each refusal of a row stands
 * between two of those.
 */
async function look(show: Show, ring: Ring, kid: string): Promise<Found | NotAsked> {
  const revoked = await show({ ring, about: 'revocation', kid, signedBy: 'this' });
  if ('notAsked' in revoked) return revoked;
  const { id, requestId, refusal } = revoked;
  if (!refusal) return { id, requestId, outcome: 'accepted' };
  if (!isAboutKey(refusal)) return { id, requestId, outcome: 'unclear', refusal };
  const active = await show({ ring, about: 'revocation', kid, signedBy: 'active' });
  if ('notAsked' in active) return active;
  // Both refused: the documents cannot be read, or the successor is not known yet either.
  if (active.refusal) return { id, requestId, outcome: 'unclear', refusal: active.refusal };
  return { id, requestId, outcome: 'refused', refusal };
}

export interface RevocationProver {
  /** Looks at whatever is due. */
  runOnce(): Promise<void>;
}

export function createRevocationProver(deps: RevocationDeps): RevocationProver {
  const { db, act, readClock, show, pace, publishedWithout, drop, log } = deps;

  /** What a look adds to what is known: the next look, or the end. */
  async function writeDown(facts: ProofFacts, until: number, found: Found | undefined): Promise<void> {
    const { kid, startedAt } = facts;
    const before = await listLooks(kid);
    const destroyed = await act(SYSTEM, async (trx): Promise<Done<boolean>> => {
      const goesOn: Done<boolean> = { result: false, records: [], affectsDecisions: false };
      if (!(await lockLeased(trx, kid, until))) return goesOn;
      const now = await readClock(trx);
      const { id, outcome, requestId, refusal } = found ?? {};
      const canary = id !== undefined &&
        outcome !== undefined && {
          id,
          kid,
          at: now,
          about: 'revocation' as const,
          outcome,
          code: refusal?.code,
          requestId,
        };
      if (canary) await insertCanary(trx, canary);
      const looks = canary ? [...before, canary] : before;
      const standing = revocationStanding(looks);
      const { destroyAt = now } = facts;
      if (!standing.proved && now < destroyAt) {
        const { refusals } = standing;
        const next = found ? nextLookAt(await readPolicy(trx, now), { startedAt, now, refusals }) : now + NOT_ASKED_MS;
        await postponeProof(trx, kid, Math.min(next, destroyAt));
        return goesOn;
      }
      const outcomeOfAll = standing.proved ? 'proved' : whyNot(looks);
      await endProof(trx, kid, now, outcomeOfAll);
      if (standing.proved) await deletePrivateKey(trx, kid);
      return {
        result: standing.proved,
        records: [reportOf(facts, standing, now, outcomeOfAll)],
        affectsDecisions: false,
      };
    });
    if (destroyed) drop(kid);
  }

  async function listLooks(kid: string): Promise<Canary[]> {
    return (await listCanaries(db, [kid])).filter(({ about }) => about === 'revocation');
  }

  async function prove(kid: string, until: number): Promise<void> {
    const facts = await findProofFacts(db, kid);
    const ring = facts && (await findRing(db, facts.ring));
    if (!facts || !ring) return;
    const now = await readClock(db);
    if (facts.destroyAt === undefined || now >= facts.destroyAt || !(await publishedWithout(kid)))
      return await writeDown(facts, until, undefined);
    const found = await pace
      .run(() => look(show, ring, kid))
      .catch((error: unknown) => {
        // Nobody may sign here now, or nothing can be put on record.
        if (error instanceof Problem) return undefined;
        throw error;
      });
    const answer = found && 'notAsked' in found ? undefined : found;
    if (answer?.refusal && isOverloaded(answer.refusal)) pace.rest();
    await writeDown(facts, until, answer);
  }

  return {
    runOnce: async () => {
      if (!(await hasProofs(db))) return;
      await queueRevocations(db, await readClock(db));
      for (let round = 0; round < ROUNDS; round += 1) {
        const now = await readClock(db);
        const until = now + LEASE_MS;
        const kids = await leaseProofs(db, { now, until, limit: AT_ONCE });
        await Promise.all(
          kids.map((kid) =>
            // The lease ends by itself, and somebody asks again.
            prove(kid, until).catch((error: unknown) => log.error({ err: error, kid }, 'a canary could not be shown')),
          ),
        );
        if (kids.length < AT_ONCE) return;
      }
    },
  };
}

/** Why a revocation could not be proved: AWS's code of the last look, or what is still true of it. */
function whyNot(looks: readonly Canary[]): string {
  const last = looks.at(-1);
  if (!last) return 'never_asked';
  if (last.outcome === 'accepted') return 'still_accepted';
  return last.outcome === 'refused' ? 'too_few_refusals' : (last.code ?? 'unclear');
}

function reportOf(facts: ProofFacts, standing: RevocationStanding, now: number, outcome: string) {
  const { kid, ring, revokedAt } = facts;
  const { proved, looks, refusals, lastAcceptedAt, firstRefusedAt } = standing;
  return {
    kind: proved ? 'key.revocation_proved' : 'key.revocation_unproved',
    details: {
      ...{ ring, kid, revoked_at: iso(revokedAt), looks, refusals },
      ...{ last_accepted_at: iso(lastAcceptedAt), first_refused_at: iso(firstRefusedAt) },
      ...(proved ? { private_half_destroyed_at: iso(now) } : { because: outcome }),
    },
  };
}
