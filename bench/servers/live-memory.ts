// Imported into a service that is watched: what lives in it after all garbage is collected, in megabytes, into MEMORY_FILE.
import { renameSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const EVERY_MS = 5000;

function write(): void {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  const file = process.env.MEMORY_FILE ?? '';
  // Whole or not at all: read while it is written, it would say 0.
  writeFileSync(`${file}.new`, ((heapUsed + external) / 1e6).toFixed(4));
  renameSync(`${file}.new`, file);
}

if (isMainThread) setInterval(write, EVERY_MS).unref();
