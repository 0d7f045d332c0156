// Imported into a service that is watched: what lives in it after all garbage is collected, in megabytes, into MEMORY_FILE.
import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const EVERY_MS = 5000;

function write(): void {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(process.env.MEMORY_FILE ?? '', ((heapUsed + external) / 1e6).toFixed(4));
}

if (isMainThread) setInterval(write, EVERY_MS).unref();
