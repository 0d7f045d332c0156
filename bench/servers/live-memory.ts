// Imported into a service that is watched: its memory after a full collection, every five seconds, as JSON into MEMORY_FILE.
import { renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

/** Often, so that little dies between two, and both figures are steady: by itself V8 collects every 15 s under the load. */
const EVERY_MS = 5000;
/** Until buffers that a collection found dead are swept, and pages that it emptied are the system's again. */
const SWEPT_MS = 500;

async function write(): Promise<void> {
  globalThis.gc?.();
  await sleep(SWEPT_MS);
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  await sleep(SWEPT_MS);
  const file = process.env.MEMORY_FILE ?? '';
  const measured = {
    at: performance.now(),
    live: (heapUsed + external) / 1e6,
    resident: process.memoryUsage.rss() / 1e6,
  };
  // Whole or not at all: it is read at any moment.
  writeFileSync(`${file}.new`, JSON.stringify(measured));
  renameSync(`${file}.new`, file);
}

if (isMainThread) setInterval(() => void write(), EVERY_MS).unref();
