// Imported into a service that is watched: its memory after a full collection, twice a minute, as JSON into MEMORY_FILE.
import { renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

/** Rarer than V8 collects by itself under the load, every 15 s: more often would measure a heap that no production has. */
const EVERY_MS = 30_000;
/** Until buffers that a collection found dead are swept, and pages that it emptied are the system's again. */
const SWEPT_MS = 1000;

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
