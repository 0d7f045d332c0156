// The start: the key-encryption key at once, from a snapshot or from the database, and the rest of the database when it answers.
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import type { Act } from './audit/act.ts';
import { ensurePartitions } from './audit/store.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { Database } from './db/connect.ts';
import type { Kek } from './keys/encrypt.ts';
import { loadKek, readKek } from './keys/kek.ts';
import { createRings } from './keys/rings.ts';
import { readClock } from './keys/store.ts';
import type { RingView } from './keys/view.ts';
import { type Opening, startOpening } from './opening.ts';
import { prepareDatabase } from './prepare.ts';
import { createSnapshotWriter, restoreSnapshot } from './snapshot.ts';

export interface Started {
  kek: Kek;
  opening: Opening;
  /** Whether documents are served from a snapshot until the database answers. */
  restored: boolean;
  /** Undefined where no snapshot is kept. */
  writeSnapshot: (() => Promise<void>) | undefined;
}

/** @throws StartError with a name and what to do */
export async function start(
  config: Config,
  deps: {
    database: Database;
    migrate: (() => Promise<void>) | undefined;
    view: RingView;
    act: Act;
    clock: Clock;
    log: FastifyBaseLogger;
  },
): Promise<Started> {
  const { database, view, act, clock, log } = deps;
  const { db } = database;
  const { issuerUrl } = config;
  // The embedded database is in the process: it is there, or nothing is.
  const snapshots =
    database.engine === 'pglite' ? undefined : { dir: join(config.dataDir, 'snapshot'), view, issuerUrl, clock };
  let kek = snapshots && (await restoreSnapshot({ ...snapshots, log, readKek: () => readKek(config.kekFile) }));
  const restored = kek !== undefined;
  const opening = startOpening(
    async () => {
      await deps.migrate?.();
      await ensurePartitions(db, new Date(clock.wall()));
      const found = await loadKek(db, { file: config.kekFile, mayCreate: config.mayCreateKek });
      const rings = createRings({ kek: found, readClock });
      await prepareDatabase({ act, rings, readClock, issuerUrl, keyPolicy: config.keyPolicy });
      await view.refresh();
      kek ??= found;
    },
    { log, patient: restored },
  );
  await (restored ? opening.settled : opening.opened);
  if (!kek) throw new Error('the start was stopped');
  return { kek, opening, restored, writeSnapshot: snapshots && createSnapshotWriter({ ...snapshots, kek }) };
}
