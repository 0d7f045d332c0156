// The key-encryption key from a file: read, checked against what it must open, made only where nothing can be lost.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open as openFile, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Db } from '../db/connect.ts';
import { StartError } from '../errors.ts';
import { type Kek, open, seal } from './encrypt.ts';

/** A KEK of 32 bytes held in memory. */
export function createLocalKek(key: Uint8Array): Kek {
  const id = createHash('sha256').update('countersign key-encryption key\0').update(key).digest('hex').slice(0, 16);
  return {
    id,
    wrap: async (dataKey, context) => seal(key, dataKey, context.bytes),
    unwrap: async (wrapped, context) => open(key, wrapped, context.bytes),
  };
}

/**
 * The key in the file; undefined where there is none.
 * @throws StartError `kek_malformed`, `kek_exposed`, `kek_unreadable`
 */
async function readKey(file: string): Promise<Buffer | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StartError(
      'kek_unreadable',
      `The key-encryption key ${file} cannot be read.`,
      'Give the service read access to it.',
    );
  }
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== 32 || key.toString('base64') !== text.trim()) {
    throw new StartError(
      'kek_malformed',
      `${file} does not hold a key-encryption key.`,
      'It is one line: 32 random bytes in base64 (openssl rand -base64 32).',
    );
  }
  const { mode } = await stat(file);
  if ((mode & 0o007) !== 0) {
    throw new StartError(
      'kek_exposed',
      `${file} can be read by everybody on this machine.`,
      `chmod 600 ${file}, and rotate the key if strangers have an account here.`,
    );
  }
  return key;
}

function noKey(file: string): StartError {
  return new StartError(
    'kek_missing',
    `There is no key-encryption key at ${file}.`,
    'Make one (openssl rand -base64 32), keep a copy offline, and point KEY_ENCRYPTION_KEY_FILE at it.',
  );
}

/**
 * The KEK as it is in its file, before a database can say whether it is the right one.
 * @throws StartError as `loadKek`
 */
export async function readKek(file: string): Promise<Kek> {
  const key = await readKey(file);
  if (!key) throw noKey(file);
  return createLocalKek(key);
}

/** Made whole or not at all; never over a file that exists. */
async function makeKey(file: string): Promise<Buffer> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const key = randomBytes(32);
  const handle = await openFile(file, 'wx', 0o600);
  try {
    await handle.writeFile(`${key.toString('base64')}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return key;
}

export interface KekOptions {
  file: string;
  /** Only a loopback issuer on the embedded database may have its key made. */
  mayCreate: boolean;
}

/**
 * Reads the KEK, or makes it where it may be made and no row needs another.
 * @throws StartError `kek_missing`, `kek_wrong`, `kek_malformed`, `kek_exposed`, `kek_unreadable`
 */
export async function loadKek(db: Db, options: KekOptions): Promise<Kek> {
  const keks = await db.selectFrom('private_keys').select('kek').distinct().execute();
  const key = await readKey(options.file);
  if (key === undefined) {
    if (keks.length > 0) {
      throw new StartError(
        'kek_missing',
        `The database holds private keys, and the key-encryption key that opens them (${keks.map((row) => row.kek).join(', ')}) is not at ${options.file}.`,
        'Put it back from its backup, or point KEY_ENCRYPTION_KEY_FILE at it. A new one is never made over existing rows.',
      );
    }
    if (!options.mayCreate) throw noKey(options.file);
    return createLocalKek(await makeKey(options.file));
  }
  const kek = createLocalKek(key);
  const foreign = keks.filter((row) => row.kek !== kek.id);
  if (foreign.length > 0) {
    throw new StartError(
      'kek_wrong',
      `The key-encryption key at ${options.file} is ${kek.id}, but the database's private keys are wrapped by ${foreign.map((row) => row.kek).join(', ')}.`,
      'Point KEY_ENCRYPTION_KEY_FILE at the key that wrapped them.',
    );
  }
  return kek;
}
