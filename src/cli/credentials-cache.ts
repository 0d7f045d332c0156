// Sessions kept on disk between processes, for credential_process: SDKs start a new one each time and keep nothing in between.
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isLasting } from '../agent/refusal.ts';
import type { Credentials } from '../agent/sessions.ts';
import { floorMs, LAST_MS, remainingMs } from '../credentials/freshness.ts';
import type { Call } from './call.ts';
import { areCredentials, type Asked, refusalOf } from './handed.ts';
import { findFolderFault, privateFolder, readPrivate, writePrivate } from './private-file.ts';
import { whoAsks } from './who-asks.ts';

/** A file's content; `at` is wall time, milliseconds: two processes share no other clock. */
interface Kept {
  at: number;
  credentials: Credentials;
}

/** What `nameOf` makes; and what is written beside it before it is renamed into place. */
const SESSION = /^session-[0-9a-f]{64}\.json(\.[0-9a-f]+)?$/;
/** A file that was written for so long was left by a process that ended meanwhile. */
const WRITTEN_MS = 600_000;

/** All that a session hangs on: who asks whom, and for what. No more of it than a hash is on disk. */
function nameOf(call: Call<unknown>, asked: Asked): string {
  const { connection, purpose, durationSeconds, sessionPolicy } = asked;
  const whole = JSON.stringify([whoAsks(call), connection, purpose, durationSeconds, sessionPolicy]);
  return `session-${createHash('sha256').update(whole).digest('hex')}.json`;
}

function parse(text: string): Kept | undefined {
  try {
    const { at, credentials } = JSON.parse(text) as Kept;
    return Number.isFinite(at) && areCredentials(credentials) ? { at, credentials } : undefined;
  } catch {
    return undefined;
  }
}

/** What is left of it, and what must be left, milliseconds; nothing where it comes from the future: a clock was set back. */
function judge({ at, credentials }: Kept, now: number): { remaining: number; floor: number } {
  const expiresAt = Date.parse(credentials.Expiration);
  const seconds = (expiresAt - at) / 1000;
  const clock = { wall: () => now, monotonic: () => now };
  const remaining = at > now ? 0 : remainingMs({ seconds, expiresAt, askedAt: at }, clock);
  return { remaining, floor: floorMs(seconds) };
}

/** Whether nobody will take a session from it any more: it has ended, it is none, or it was never renamed into place. */
function isOver(file: string, beside: boolean, now: number): boolean {
  if (beside) return now - (lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? now) > WRITTEN_MS;
  const { text } = readPrivate(file);
  const kept = text === undefined ? undefined : parse(text);
  return kept ? Date.parse(kept.credentials.Expiration) <= now : text !== undefined;
}

/** Of whatever was asked for once, and may never be asked for again. @param now milliseconds since the epoch */
function removeOver(folder: string, now: number): void {
  for (const name of readdirSync(folder)) {
    const [found, beside] = SESSION.exec(name) ?? [];
    const file = join(folder, name);
    if (found !== undefined && isOver(file, beside !== undefined, now)) rmSync(file, { force: true });
  }
}

/**
 * A session from the file of exactly this, or fetched and kept there. One that still lives stands in while the service is
 * away; one that the service refuses for good is removed.
 */
export async function obtainCached(
  call: Call<unknown>,
  asked: Asked,
  fetch: () => Promise<Credentials>,
): Promise<Credentials> {
  const { outside } = call;
  const warn = (text: string): unknown => outside.stderr.write(`warning: ${text}\n`);
  const folder = privateFolder(outside.env, 'cache');
  const fault = folder === undefined ? 'HOME and XDG_CACHE_HOME are not set' : findFolderFault(folder);
  if (folder === undefined || fault !== undefined) {
    warn(`${fault}: nothing is kept. Mend that, or give --no-cache.`);
    return await fetch();
  }
  const file = join(folder, nameOf(call, asked));
  const read = readPrivate(file);
  if (read.fault !== undefined) warn(`${read.fault}: it is not believed, and written anew.`);
  const kept = read.text === undefined ? undefined : parse(read.text);
  if (read.text !== undefined && !kept) warn(`${file} does not hold a session: it is written anew.`);
  const { remaining, floor } = kept ? judge(kept, outside.now()) : { remaining: 0, floor: 0 };
  if (kept && remaining >= floor) return kept.credentials;
  let credentials: Credentials;
  try {
    credentials = await fetch();
  } catch (error) {
    const refusal = refusalOf(call, error);
    if (isLasting(refusal)) rmSync(file, { force: true });
    else if (kept && remaining >= LAST_MS) {
      warn(`${refusal.message} The session that was kept is given.`);
      return kept.credentials;
    }
    throw error;
  }
  try {
    writePrivate(file, JSON.stringify({ at: outside.now(), credentials } satisfies Kept));
    removeOver(folder, outside.now());
  } catch (error) {
    warn(`${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown fault'}): nothing is kept.`);
  }
  return credentials;
}
