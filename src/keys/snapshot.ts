// The view as files in DATA_DIR: written whole or not at all, opened only as it was written, under a KEK of ours, for this issuer.
import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from './encrypt.ts';
import type { Keyring } from './keyring/keyring.ts';
import { createRingMemory, type RingMemory } from './memory.ts';
import type { PolicyVersion } from './policy.ts';
import type { ViewSnapshot } from './view.ts';

// Two files: the rings, which are large and change seldom, and a small one that dates them and names them by digest. The
// small one is replaced by a rename, so that it always speaks of rings that were written before it.

const FORMAT = 1;
const HEAD = 'view.json';
const CONTEXT: Context = {
  bytes: Buffer.from('countersign snapshot of public keys\0'),
  names: { purpose: 'snapshot of public keys' },
};
const LINES = 500;
const CHUNK = 256 * 1024;

interface RingsFile {
  name: string;
  sha256: string;
}

interface Head {
  format: number;
  issuerUrl: string;
  /** The database's clock when everything in it was true. */
  takenAt: number;
  /** D is known from these, as it is in a process that is cut off. */
  versions: readonly PolicyVersion[];
  rings: RingsFile;
}

export interface StoredSnapshot extends Omit<ViewSnapshot, 'changes'> {
  issuerUrl: string;
}

/** What is there cannot be used, and why. */
export class SnapshotUnusable extends Error {
  override name = 'SnapshotUnusable';
}

async function writeSynced(path: string, write: (file: FileHandle) => Promise<unknown>): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A few hundred lines at a time, so that a hundred thousand rings hold up nobody. */
async function writeRings(dir: string, rings: RingMemory): Promise<RingsFile> {
  const name = `rings-${randomBytes(8).toString('hex')}`;
  const hash = createHash('sha256');
  await writeSynced(join(dir, name), async (file) => {
    let lines: string[] = [];
    const flush = async (): Promise<void> => {
      const chunk = Buffer.from(lines.join(''), 'latin1');
      lines = [];
      hash.update(chunk);
      await file.write(chunk);
    };
    for (const [issuer, packed] of rings.entries()) {
      lines.push(`${issuer} ${Buffer.from(packed, 'latin1').toString('base64')}\n`);
      if (lines.length === LINES) await flush();
    }
    await flush();
  });
  return { name, sha256: hash.digest('hex') };
}

async function readRings(dir: string, { name, sha256 }: RingsFile): Promise<RingMemory> {
  const rings = createRingMemory();
  const hash = createHash('sha256');
  const file = await open(join(dir, name), 'r');
  try {
    let rest = '';
    for await (const chunk of file.createReadStream({ highWaterMark: CHUNK, autoClose: false })) {
      hash.update(chunk as Buffer);
      const lines = (rest + (chunk as Buffer).toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const space = line.indexOf(' ');
        rings.putPacked(line.slice(0, space), Buffer.from(line.slice(space + 1), 'base64').toString('latin1'));
      }
    }
  } finally {
    await file.close();
  }
  if (hash.digest('hex') !== sha256) throw new SnapshotUnusable('its rings are damaged');
  return rings;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The text, and its digest sealed by the KEK: who may write this folder may not publish keys by it. */
async function writeHead(dir: string, head: Head, keyring: Keyring): Promise<void> {
  const text = JSON.stringify(head);
  const seal = (await keyring.wrapping().wrap(digest(text), CONTEXT)).toString('base64');
  await writeSynced(join(dir, `${HEAD}.new`), (file) => file.writeFile(`${text}\n${seal}\n`));
  await rename(join(dir, `${HEAD}.new`), join(dir, HEAD));
  await syncFolder(dir);
}

/** By any key that this process was given: which one wrapped then is in the database, which may be away. */
async function isSealed(seal: Buffer, expected: Buffer, { keks }: Keyring): Promise<boolean> {
  for (const kek of keks) {
    const sealed = await kek.unwrap(seal, CONTEXT).catch(() => undefined);
    if (sealed?.equals(expected)) return true;
  }
  return false;
}

async function readHead(dir: string, keyring: Keyring): Promise<Head> {
  const [text = '', seal = ''] = (await readFile(join(dir, HEAD), 'utf8')).split('\n');
  if (!(await isSealed(Buffer.from(seal, 'base64'), digest(text), keyring)))
    throw new SnapshotUnusable('it is damaged, or it was written under another key-encryption key');
  const head = JSON.parse(text) as Head;
  if (head.format !== FORMAT) throw new SnapshotUnusable(`its format is ${head.format}, not ${FORMAT}`);
  return head;
}

/** Whether there is one, usable or not. */
export async function hasSnapshot(dir: string): Promise<boolean> {
  return (await readdir(dir).catch((): string[] => [])).includes(HEAD);
}

export interface SnapshotFiles {
  /** @throws SnapshotUnusable where it is not as it was written */
  read(): Promise<StoredSnapshot>;
  /** @returns once it is on the disk; rings that did not change since the last call are not written again */
  write(snapshot: ViewSnapshot): Promise<void>;
}

export function createSnapshotFiles(options: { dir: string; issuerUrl: string; keyring: Keyring }): SnapshotFiles {
  const { dir, issuerUrl, keyring } = options;
  let last: { changes: number; memory: RingMemory; file: RingsFile } | undefined;

  /** Rings of writers that were killed, and those that the new head no longer names. */
  async function removeOthers(kept: string): Promise<void> {
    const names = (await readdir(dir)).filter((name) => name.startsWith('rings-') && name !== kept);
    for (const name of names) await rm(join(dir, name), { force: true });
  }

  return {
    read: async () => {
      try {
        const { takenAt, versions, rings, ...head } = await readHead(dir, keyring);
        return { issuerUrl: head.issuerUrl, takenAt, versions, rings: await readRings(dir, rings) };
      } catch (error) {
        if (error instanceof SnapshotUnusable) throw error;
        throw new SnapshotUnusable(`it cannot be read: ${error instanceof Error ? error.message : 'unknown'}`);
      }
    },

    write: async ({ takenAt, versions, rings, changes }) => {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const same = last?.changes === changes && last.memory === rings && (await readdir(dir)).includes(last.file.name);
      const file = last && same ? last.file : await writeRings(dir, rings);
      await writeHead(dir, { format: FORMAT, issuerUrl, takenAt, versions, rings: file }, keyring);
      last = { changes, memory: rings, file };
      if (!same) await removeOthers(file.name);
    },
  };
}
