// A key-encryption key from a file: read, checked, made only where it is asked for and nothing is there.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open as openFile, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StartError } from '../errors.ts';
import { type Kek, open, seal } from './encrypt.ts';

/** A KEK of 32 bytes held in memory. @param source where it was read from */
export function createLocalKek(key: Uint8Array, source = 'memory'): Kek {
  const id = createHash('sha256').update('countersign key-encryption key\0').update(key).digest('hex').slice(0, 16);
  return {
    ...{ id, source },
    wrap: async (dataKey, context) => seal(key, dataKey, context.bytes),
    unwrap: async (wrapped, context) => open(key, wrapped, context.bytes),
  };
}

/**
 * The KEK in a file; undefined where there is none.
 * @throws StartError `kek_malformed`, `kek_exposed`, `kek_unreadable`
 */
export async function readKekFile(file: string): Promise<Kek | undefined> {
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
      `chmod 600 ${file}, and rotate the key if strangers have an account here: countersign kek rotate.`,
    );
  }
  return createLocalKek(key, file);
}

/** Made whole or not at all; never over a file that exists. */
export async function makeKekFile(file: string): Promise<Kek> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const key = randomBytes(32);
  const handle = await openFile(file, 'wx', 0o600);
  try {
    await handle.writeFile(`${key.toString('base64')}\n`);
    await handle.sync();
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  return createLocalKek(key, file);
}
