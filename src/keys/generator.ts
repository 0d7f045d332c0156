// Key pairs. An RSA key costs tenths of a second of a processor: a thread of its own makes them, which gives way to whatever else runs.
import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { extname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Clock, systemClock } from '../clock.ts';
import { type Algorithm, generatePrivateKey } from './algorithms.ts';

export type GeneratePrivateKey = (algorithm: Algorithm) => Promise<KeyObject>;

// Its ending is this file's own: .ts as it stands, .js as it is packed.
const THREAD = new URL(`./generator-thread${extname(import.meta.filename)}`, import.meta.url);

/** Where many keys are wanted the thread rests, for each, so many times as long as it took: others need the processor as well. */
const RESTS = 3;
/** Milliseconds of rest that it may owe before it takes one: a ring or two are made at once. */
const OWES = 1000;

export interface GeneratorDeps {
  clock: Pick<Clock, 'monotonic'>;
  sleep(milliseconds: number): Promise<unknown>;
}

/** One key at a time: ask for the next when it is there. The thread starts with the first RSA key, and holds up no exit. */
export function createGenerator(
  { clock, sleep }: GeneratorDeps = { clock: systemClock, sleep: delay },
): GeneratePrivateKey {
  let thread: Worker | undefined;
  let restedAt = 0;

  async function generateAside(): Promise<KeyObject> {
    const rest = restedAt - OWES - clock.monotonic();
    if (rest > 0) await sleep(rest);
    const began = clock.monotonic();
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
      restedAt = Math.max(restedAt, began) + (1 + RESTS) * (clock.monotonic() - began);
      used.unref();
    }
  }

  return (algorithm) => (algorithm === 'RS256' ? generateAside() : generatePrivateKey(algorithm));
}
