// A directory as a target: the tag is a digest of what stands there, and a lock that the kernel frees lets one writer in.
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../failure.ts';
import { Changed, requirePath, type Target } from './target.ts';

/** Beside the documents; it holds nothing but the lock. */
const LOCK_FOLDER = '.countersign-publisher';

const HINTS: Record<string, string> = {
  EACCES: 'Let this user write there.',
  EPERM: 'Let this user write there.',
  EROFS: 'The file system is read-only: mount it for writing.',
  ENOSPC: 'Make room: the disk is full. What is in place stays as it is.',
  EDQUOT: 'Make room: the quota is used up. What is in place stays as it is.',
};

function toFailure(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof Failure || error instanceof Changed || code === undefined) return error;
  return new Failure('directory_unwritable', `${path} cannot be written: ${code}.`, {
    hint: HINTS[code] ?? 'Look at that directory and its file system.',
    cause: error,
  });
}

async function readTag(path: string): Promise<string | undefined> {
  try {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('base64url');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A new folder is on the disk before anything in it is. */
async function makeFolder(root: string, path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o755 });
  if (first === undefined) return;
  for (let at = dirname(path); at.length >= root.length; at = dirname(at)) await syncFolder(at);
}

/** Written beside it, synced, and moved over it: a reader finds the one before or this one, whole. */
async function replace(root: string, path: string, body: string): Promise<void> {
  const folder = dirname(path);
  await makeFolder(root, folder);
  const fresh = join(folder, `.${basename(path)}.new`);
  const file = await open(fresh, 'w', 0o644);
  try {
    await file.writeFile(body);
    // Whatever the umask: these are for everybody to read.
    await file.chmod(0o644);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, path);
  await syncFolder(folder);
}

/** @throws Failure `directory_missing`: one that is not mounted must not be filled anew beneath its mount point */
export async function openDirectory(root: string): Promise<Target> {
  if (!(await stat(root).catch(() => undefined))?.isDirectory())
    throw new Failure('directory_missing', `${root} is no directory.`, {
      hint: `Make it, or mount what belongs there: mkdir ${root}`,
    });
  const { tryLock } = await import('../../db/lock.ts');
  return {
    take: () => {
      const folder = join(root, LOCK_FOLDER);
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const release = tryLock(folder);
        if (release) return release;
      } catch (error) {
        throw toFailure(error, folder);
      }
      throw new Failure('directory_in_use', `Another publisher writes to ${root}.`, {
        hint: 'One at a time: wait until it has ended, or end it.',
      });
    },
    look: async (path) => {
      const at = join(root, requirePath(path));
      return await readTag(at).catch((error: unknown) => {
        throw toFailure(error, at);
      });
    },
    put: async (path, body, _maxAge, over) => {
      const at = join(root, requirePath(path));
      try {
        if ((await readTag(at)) !== over) throw new Changed('something else stands there');
        await replace(root, at, body);
        return createHash('sha256').update(body).digest('base64url');
      } catch (error) {
        throw toFailure(error, at);
      }
    },
    close: () => {},
    width: 16,
  };
}
