// What a sign-in leaves on this machine: one private file for each service, until the person signs out.
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, usage } from '../failure.ts';
import { withLock } from '../file-lock.ts';
import type { Outside } from '../outside.ts';
import { findFolderFault, privateFolder, readPrivate, writePrivate } from '../private-file.ts';

export interface SignIn {
  /** Of the service, as the command normalizes it. */
  url: string;
  /** What the service calls the trusted issuer. */
  name: string;
  issuer: string;
  client_id: string;
  /** `sub` of the person there. */
  subject: string;
  id_token: string;
  /** Of the ID token, milliseconds since the epoch. */
  expires_at: number;
  /** Where the issuer gave one. */
  refresh_token?: string | undefined;
}

type Env = Outside['env'];

function fileOf(env: Env, url: string): string | undefined {
  const folder = privateFolder(env, 'state');
  const name = createHash('sha256').update(url).digest('hex').slice(0, 32);
  return folder && join(folder, `sign-in-${name}.json`);
}

function parse(text: string, url: string): SignIn | undefined {
  try {
    const signIn = JSON.parse(text) as SignIn;
    const { name, issuer, client_id, subject, id_token, expires_at, refresh_token } = signIn;
    const texts = [name, issuer, client_id, subject, id_token, refresh_token ?? 'none'];
    const whole = texts.every((member) => typeof member === 'string' && member !== '') && Number.isFinite(expires_at);
    return whole && signIn.url === url ? signIn : undefined;
  } catch {
    return undefined;
  }
}

/** @returns undefined where nobody is signed in. @throws Failure where others may have written the file, or read it */
export function readSignIn(env: Env, url: string): SignIn | undefined {
  const file = fileOf(env, url);
  if (file === undefined) return undefined;
  const { text, fault } = readPrivate(file);
  const signIn = text === undefined ? undefined : parse(text, url);
  if (signIn || (text === undefined && fault === undefined)) return signIn;
  throw new Failure('sign_in_unreadable', `${fault ?? `${file} does not hold a sign-in`}: it is not believed.`, {
    hint: 'Remove it, and sign in again: countersign login.',
  });
}

/** Where sign-ins are kept, made where it is missing. @throws Failure */
function requireFolder(env: Env): void {
  const folder = privateFolder(env, 'state');
  if (folder === undefined)
    throw usage('There is no folder of this user to keep a sign-in in.', 'Set HOME, or XDG_STATE_HOME.');
  const fault = findFolderFault(folder);
  if (fault !== undefined) throw new Failure('sign_in_not_kept', `${fault}: a sign-in cannot be kept there.`);
}

/** Alone with the sign-in of this service among the processes of this user. @throws Failure */
export async function alone<T>(outside: Outside, url: string, work: () => Promise<T>): Promise<T> {
  requireFolder(outside.env);
  return await withLock(`${fileOf(outside.env, url)}.lock.sqlite`, outside, work);
}

/** @throws Failure */
function write(file: string, text: string): void {
  try {
    writePrivate(file, text);
  } catch (error) {
    const { code = 'unknown fault' } = error as NodeJS.ErrnoException;
    throw new Failure('sign_in_not_kept', `${file} cannot be written (${code}): a sign-in cannot be kept there.`, {
      hint: 'See that this user may write there, and that the disk is not full.',
      cause: error,
    });
  }
}

/** @throws Failure */
export function keepSignIn(env: Env, signIn: SignIn): void {
  requireFolder(env);
  write(fileOf(env, signIn.url) as string, JSON.stringify(signIn));
}

/** More than a sign-in takes, in bytes. */
const ROOM = 65_536;

/** Finds out, before anything is spent on a sign-in, that it can be kept. @throws Failure */
export function assertKeepable(env: Env, url: string): void {
  requireFolder(env);
  const probe = `${fileOf(env, url)}.room`;
  write(probe, ' '.repeat(ROOM));
  rmSync(probe, { force: true });
}

export function removeSignIn(env: Env, url: string): void {
  const file = fileOf(env, url);
  if (file !== undefined) rmSync(file, { force: true });
}

/** What there is to say of a sign-in; nothing of its tokens. */
export function describeSignIn(kept: SignIn): Record<string, unknown> {
  const { name, issuer, subject, expires_at, refresh_token } = kept;
  return {
    ...{ issuer: name, issuer_url: issuer, subject, signed_in_until: new Date(expires_at).toISOString() },
    renewed: refresh_token !== undefined,
  };
}
