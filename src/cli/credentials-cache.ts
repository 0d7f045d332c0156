// Sessions kept on disk between processes, for credential_process: SDKs start a new one each time and keep nothing in between.
import { createHash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isLasting } from '../agent/refusal.ts';
import type { Credentials } from '../agent/sessions.ts';
import { floorMs, LAST_MS, remainingMs } from '../credentials/freshness.ts';
import type { Call } from './call.ts';
import { type Asked, toRefusal } from './handed.ts';
import { findFolderFault, privateFolder, readPrivate, writePrivate } from './private-file.ts';
import { whoAsks } from './who-asks.ts';

/** A file's content; `at` is wall time, milliseconds: two processes share no other clock. */
interface Kept {
  at: number;
  credentials: Credentials;
}

/** What `nameOf` makes. */
const SESSION = /^session-[0-9a-f]{64}\.json$/;

/** All that a session hangs on: who asks whom, and for what. No more of it than a hash is on disk. */
function nameOf(call: Call<unknown>, asked: Asked): string {
  const { connection, purpose, durationSeconds, sessionPolicy } = asked;
  const whole = JSON.stringify([whoAsks(call), connection, purpose, durationSeconds, sessionPolicy]);
  return `session-${createHash('sha256').update(whole).digest('hex')}.json`;
}

function parse(text: string): Kept | undefined {
  try {
    const { at, credentials } = JSON.parse(text) as Kept;
    const { AccessKeyId, SecretAccessKey, Token, Expiration } = credentials;
    const whole = [AccessKeyId, SecretAccessKey, Token].every((member) => typeof member === 'string' && member !== '');
    return whole && Number.isFinite(at) && Number.isFinite(Date.parse(Expiration)) ? { at, credentials } : undefined;
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

/** Of whatever was asked for once, and may never be asked for again. @param now milliseconds since the epoch */
function removeExpired(folder: string, now: number): void {
  for (const name of readdirSync(folder).filter((each) => SESSION.test(each))) {
    const file = join(folder, name);
    const { text } = readPrivate(file);
    const kept = text === undefined ? undefined : parse(text);
    if (kept && Date.parse(kept.credentials.Expiration) <= now) rmSync(file, { force: true });
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
    if (isLasting(toRefusal(error))) rmSync(file, { force: true });
    else if (kept && remaining >= LAST_MS) {
      warn(`${error instanceof Error ? error.message : 'The service is away.'} The session that was kept is given.`);
      return kept.credentials;
    }
    throw error;
  }
  try {
    writePrivate(file, JSON.stringify({ at: outside.now(), credentials } satisfies Kept));
    removeExpired(folder, outside.now());
  } catch (error) {
    warn(`${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown fault'}): nothing is kept.`);
  }
  return credentials;
}
