// Key pairs. An RSA key costs tenths of a second of a processor: a thread of its own makes them, which gives way to whatever else runs.
import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Algorithm, generatePrivateKey } from './algorithms.ts';

export type GeneratePrivateKey = (algorithm: Algorithm) => Promise<KeyObject>;

// Its ending is this file's own: .ts as it stands, .js as it is packed.
const THREAD = new URL(`./generator-thread${extname(import.meta.filename)}`, import.meta.url);

/** One key at a time: ask for the next when it is there. The thread starts with the first RSA key, and holds up no exit. */
export function createGenerator(): GeneratePrivateKey {
  let thread: Worker | undefined;

  async function generateAside(): Promise<KeyObject> {
    const used = (thread ??= new Worker(THREAD));
    used.ref();
    try {
      const made = once(used, 'message') as Promise<[KeyObject]>;
      used.postMessage('rsa');
      return (await made)[0];
    } catch (error) {
      // It ended: the next key has another.
      thread = undefined;
      throw error;
    } finally {
      used.unref();
    }
  }

  return (algorithm) => (algorithm === 'RS256' ? generateAside() : generatePrivateKey(algorithm));
}
