// One process of this user at a time, by a file that is there while one is at it.
import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import type { Outside } from './outside.ts';

/** Who is at it for longer was killed, or hangs: what is done under a lock has shorter deadlines. */
const STALE_MS = 120_000;
const POLL_MS = 50;

function take(file: string): boolean {
  try {
    const descriptor = openSync(file, 'wx', 0o600);
    writeSync(descriptor, String(process.pid));
    closeSync(descriptor);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether the one that took it is gone. A file without a number was taken a moment ago. */
function isAbandoned(file: string): boolean {
  try {
    if (Date.now() - statSync(file).mtimeMs > STALE_MS) return true;
    const pid = Number(readFileSync(file, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** Waits for its turn, at most as long as a lock can be held. @param file beside what it guards; its folder is there */
export async function withLock<T>(file: string, { sleep }: Pick<Outside, 'sleep'>, work: () => Promise<T>): Promise<T> {
  while (!take(file)) {
    if (isAbandoned(file)) rmSync(file, { force: true });
    else await sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}
