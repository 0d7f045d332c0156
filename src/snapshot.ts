// When the view is written to DATA_DIR, and whether what lies there may be served at a start.
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from './clock.ts';
import { PLATFORM } from './issuers/documents.ts';
import type { Keyring } from './keys/keyring/keyring.ts';
import { obeyedPolicy } from './keys/policy.ts';
import { createSnapshotFiles, hasSnapshot, SnapshotUnusable, type StoredSnapshot } from './keys/snapshot.ts';
import type { RingView } from './keys/view.ts';

export interface SnapshotDeps {
  /** Of this process alone. */
  dir: string;
  view: RingView;
  issuerUrl: string;
  clock: Clock;
}

/** Why a snapshot is not served; undefined when it may be. */
export function reasonNotToServe(
  { issuerUrl, takenAt, versions, rings }: StoredSnapshot,
  ours: string,
  now: number,
): string | undefined {
  if (issuerUrl !== ours) return `it is of ${issuerUrl}, and ISSUER_URL is ${ours}`;
  if (takenAt > now) return 'it is dated after this machine’s clock';
  if (versions.length === 0) return 'it does not say how old it may be';
  const { oldestServed } = obeyedPolicy(versions);
  if (now - takenAt >= oldestServed)
    return `it is ${Math.round((now - takenAt) / 1000)} s old, and D of the key policy is ${oldestServed / 1000} s`;
  if (!rings.find(PLATFORM)) return 'it lacks the keys of the platform';
  return undefined;
}

/**
 * Puts the last snapshot into the view where it may be served; logged where it may not.
 * @returns the key-encryption keys that proved it; undefined when there is nothing to serve
 */
export async function restoreSnapshot({
  dir,
  view,
  issuerUrl,
  clock,
  log,
  readKeyring,
}: SnapshotDeps & { log: FastifyBaseLogger; readKeyring(): Promise<Keyring> }): Promise<Keyring | undefined> {
  if (!(await hasSnapshot(dir))) return undefined;
  const refuse = (reason: string): undefined => {
    log.warn({ reason }, 'the snapshot of public keys in DATA_DIR is not served');
    return undefined;
  };
  const keyring = await readKeyring();
  let stored: StoredSnapshot;
  try {
    stored = await createSnapshotFiles({ dir, issuerUrl, keyring }).read();
  } catch (error) {
    if (error instanceof SnapshotUnusable) return refuse(error.message);
    throw error;
  }
  const reason = reasonNotToServe(stored, issuerUrl, clock.wall());
  if (reason !== undefined) return refuse(reason);
  view.restore(stored);
  return keyring;
}

/** Rings that changed are written at most this often, and for a twentieth of the time at most. */
const CHANGED_MS = 10_000;
const SHARE = 20;
/** Where nothing changed, the date alone is written. */
const SAME_MS = 60_000;

/** @returns what writes where it is time to, to be called after refreshes */
export function createSnapshotWriter({
  dir,
  view,
  issuerUrl,
  clock,
  keyring,
}: SnapshotDeps & { keyring: Keyring }): () => Promise<void> {
  const files = createSnapshotFiles({ dir, issuerUrl, keyring });
  let last: { takenAt: number; changes: number; started: number; took: number } | undefined;
  return async () => {
    const snapshot = view.snapshot();
    if (!snapshot || snapshot.takenAt === last?.takenAt) return;
    const started = clock.monotonic();
    if (last) {
      const wait = snapshot.changes === last.changes ? SAME_MS : Math.max(CHANGED_MS, last.took * SHARE);
      // A short D needs a young snapshot.
      if (started - last.started < Math.min(wait, view.policy().oldestServed / 10)) return;
    }
    await files.write(snapshot);
    const { takenAt, changes } = snapshot;
    last = { takenAt, changes, started, took: clock.monotonic() - started };
  };
}
