// What the service does by itself once the database has answered, and how often; intervals in milliseconds.
import { deleteReplayKeys, ensurePartitions } from './audit/store.ts';
import type { AuditStream } from './audit/stream.ts';
import type { Background } from './background.ts';
import type { Clock } from './clock.ts';
import type { Sessions } from './credentials/sessions.ts';
import type { Db } from './db/connect.ts';
import { deleteIdempotencyKeys } from './http/store.ts';
import { destroyOrphans } from './keys/held/orphans.ts';
import type { Holders } from './keys/held/holder.ts';
import type { Presence } from './keys/keyring/replicas.ts';
import type { Rewrapping } from './keys/keyring/rewrap.ts';
import { createPlanner } from './keys/plan.ts';
import { createSpread, rotateDueRings } from './keys/queue.ts';
import type { RotateDeps } from './keys/rotate.ts';
import { createRunWorker } from './keys/runs/work.ts';
import type { LocalSigner } from './keys/signer.ts';
import { deleteDuePrivateKeys, deleteRetiredPrivateKeys, readClock } from './keys/store.ts';
import type { RingView } from './keys/view.ts';
import { readStanding } from './seal/store.ts';

export interface TaskDeps {
  db: Db;
  streams: readonly Pick<AuditStream, 'tryAgain'>[];
  clock: Clock;
  view: RingView;
  writeSnapshot: (() => Promise<void>) | undefined;
  refusals: { flush(): Promise<void> };
  rotation: RotateDeps;
  proofs: { standbys: { turn(): Promise<void> }; revocations: { runOnce(): Promise<void> } };
  signer: LocalSigner;
  custody: { presence: Presence; rewrapping: Rewrapping; holders: Holders };
  sessions: Pick<Sessions, 'sweep'>;
}

const SHORTEST_REFRESH = 500;
const LONGEST_REFRESH = 10_000;

/** @returns what refreshes each R / 5, within half a second and ten: R is the policy's of now, not of the start */
export function createRefresh(view: Pick<RingView, 'refresh' | 'policy'>, clock: Clock): () => Promise<void> {
  let next = 0;
  return async () => {
    const started = clock.monotonic();
    if (started < next) return;
    await view.refresh().finally(() => {
      const every = Math.max(SHORTEST_REFRESH, Math.min(LONGEST_REFRESH, view.policy().oldestSigned / 5));
      // A timer that comes a little early counts as in time.
      next = started + every - SHORTEST_REFRESH / 2;
    });
  };
}

export function scheduleTasks(background: Background, deps: TaskDeps): void {
  const { db, streams, clock, view, writeSnapshot, refusals, rotation, proofs, signer, custody, sessions } = deps;
  background.every('refresh the view of the signing keys', SHORTEST_REFRESH, createRefresh(view, clock));
  if (writeSnapshot) background.every('write the snapshot of public keys', 1_000, writeSnapshot);
  background.every('rotate due rings', 2_000, (stopped) =>
    rotateDueRings(rotation, { spread: createSpread(clock), stopped }),
  );
  background.every('prove revocations', 1_000, () => proofs.revocations.runOnce());
  background.every('prove standbys ahead', 60_000, () => proofs.standbys.turn());
  background.every('work off rotations of many rings', 1_000, createRunWorker(rotation));
  background.every('plan rings by the key policy', 5_000, createPlanner(rotation));
  background.every('try the audit log again', 1_000, async () => {
    await Promise.all(streams.map((stream) => stream.tryAgain()));
  });
  background.every('forget private keys', 60_000, async () => signer.forget());
  background.inBatches('delete private keys', 60_000, 100, async (limit) => {
    const deleted = await deleteDuePrivateKeys(db, await readClock(db), limit);
    return deleted.length;
  });
  background.inBatches('delete private keys of retired rings', 600_000, 100, async (limit) => {
    const deleted = await deleteRetiredPrivateKeys(db, limit);
    return deleted.length;
  });
  background.inBatches('destroy keys that others hold', 60_000, 20, (limit) =>
    destroyOrphans(db, custody.holders, limit),
  );
  background.every('say what this replica opens', 5_000, () => custody.presence.beat());
  background.every('move private halves under the key that was chosen', 2_000, () => custody.rewrapping.turn());
  background.every('forget sessions', 10_000, async () => {
    sessions.sweep();
    sessions.sweep(await readStanding(db));
  });
  background.every('write counts of refusals', 10_000, () => refusals.flush());
  // By the database's clock: a replica whose own is ahead would delete what guards all the others.
  const ago = async (ms: number): Promise<Date> => new Date((await readClock(db)) - ms);
  background.inBatches('delete replay keys', 30_000, 5000, async (limit) =>
    deleteReplayKeys(db, await ago(60_000), limit),
  );
  background.inBatches('delete idempotency keys', 600_000, 5000, async (limit) =>
    deleteIdempotencyKeys(db, await ago(24 * 3_600_000), limit),
  );
  background.every('make audit partitions', 3_600_000, () => ensurePartitions(db, new Date(clock.wall())));
}
