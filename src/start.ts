// The start: the key-encryption keys at once, from a snapshot or from the database, and the rest of the database when it answers.
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import type { Act } from './audit/act.ts';
import { ensurePartitions } from './audit/store.ts';
import type { Clock } from './clock.ts';
import type { AwsKms } from './clouds/aws-kms.ts';
import type { Config } from './config.ts';
import type { Database } from './db/connect.ts';
import { createId } from './ids.ts';
import { type Keyring, noKek, readKeyring } from './keys/keyring/keyring.ts';
import { assertOpens, loadKeyring, settleWrapping } from './keys/keyring/load.ts';
import { createPresence, type Presence } from './keys/keyring/replicas.ts';
import { createRings } from './keys/rings.ts';
import { readClock } from './keys/store.ts';
import type { RingView } from './keys/view.ts';
import { type Opening, startOpening } from './opening.ts';
import { prepareDatabase } from './prepare.ts';
import { createSnapshotWriter, restoreSnapshot } from './snapshot.ts';

export interface Started {
  keyring: Keyring;
  presence: Presence;
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
    kms: AwsKms;
    migrate: (() => Promise<void>) | undefined;
    view: RingView;
    act: Act;
    clock: Clock;
    log: FastifyBaseLogger;
  },
): Promise<Started> {
  const { database, kms, view, act, clock, log } = deps;
  const { db } = database;
  const { issuerUrl } = config;
  // The embedded database is in the process: it is there, or nothing is.
  const snapshots =
    database.engine === 'pglite' ? undefined : { dir: join(config.dataDir, 'snapshot'), view, issuerUrl, clock };
  const missing = async (file: string): Promise<never> => {
    throw noKek(file);
  };
  let keyring =
    snapshots &&
    (await restoreSnapshot({ ...snapshots, log, readKeyring: () => readKeyring(config.keks, { kms, missing }) }));
  const restored = keyring !== undefined;
  const presence = createPresence({
    ...{ db, id: createId('rp'), host: hostname() },
    opens: () => keyring?.keks.map(({ id }) => id) ?? [],
  });
  const opening = startOpening(
    async () => {
      await deps.migrate?.();
      await ensurePartitions(db, new Date(clock.wall()));
      const known = keyring !== undefined;
      keyring ??= await loadKeyring(db, { sources: config.keks, mayCreate: config.mayCreateKek, kms });
      if (known) await assertOpens(db, keyring);
      await presence.beat();
      await settleWrapping(db, act, keyring);
      const rings = createRings({ db, keyring, readClock });
      await prepareDatabase({ act, rings, readClock, issuerUrl, keyPolicy: config.keyPolicy });
      await view.refresh();
    },
    { log, patient: restored },
  );
  await (restored ? opening.settled : opening.opened);
  if (!keyring) throw new Error('the start was stopped');
  const writeSnapshot = snapshots && createSnapshotWriter({ ...snapshots, keyring });
  return { keyring, presence, opening, restored, writeSnapshot };
}
