// One process of this user at a time, by a lock that the kernel takes back from whoever dies: SQLite's, which Node carries.
// Not proper-lockfile (last released in 2021): it goes by age, and of two who find a lock too old, one removes what the other has taken.
// Not a package around flock: each brings machine code of its own for what is there already.
import { Failure } from './failure.ts';
import type { Outside } from './outside.ts';

/** Longer than what is done under a lock may take; many who wait take their turns in it. */
const PATIENCE_MS = 180_000;
const POLL_MS = 50;

/**
 * Waits for its turn. A file in a home over the network is locked where its server does that (NFS from version 4).
 * @param file beside what it guards; its folder is there
 * @throws Failure `lock_held`, `lock_failed`
 */
export async function withLock<T>(
  file: string,
  { sleep, now }: Pick<Outside, 'sleep' | 'now'>,
  work: () => Promise<T>,
): Promise<T> {
  const { tryLockFile } = await import('../db/lock.ts');
  const take = (): (() => void) | undefined => {
    try {
      return tryLockFile(file);
    } catch (cause) {
      throw new Failure('lock_failed', `${file} cannot be locked: ${(cause as Error).message}.`, {
        hint: 'See that this user may write there, and that the disk is not full; remove the file if it is damaged.',
        cause,
      });
    }
  };
  const until = now() + PATIENCE_MS;
  let release = take();
  while (!release) {
    if (now() >= until)
      throw new Failure('lock_held', `Another process has held ${file} for ${PATIENCE_MS / 1000} s.`, {
        hint: 'Look for a countersign command that hangs (ps), end it, and try again: the lock goes with it.',
      });
    await sleep(POLL_MS);
    release = take();
  }
  try {
    return await work();
  } finally {
    release();
  }
}
