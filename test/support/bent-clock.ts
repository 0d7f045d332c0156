// A process whose wall clock can be put ahead while it runs, its monotonic one left alone (libfaketime).
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { findFaketime } from './faketime.ts';
import { tempDir } from './service.ts';

export interface BentClock {
  /** For the environment of the process. */
  env: Record<string, string>;
  /** Seconds ahead; 0 puts it right. Seen within a second. */
  bend(seconds: number): void;
}

/** @throws Error where libfaketime is missing */
export function createBentClock(t: Test): BentClock {
  const library = findFaketime();
  if (!library) throw new Error('libfaketime was not found: install it (apt-get install libfaketime).');
  const file = join(tempDir(t), 'clock');
  const bend = (seconds: number): void => writeFileSync(file, `+${seconds}\n`);
  bend(0);
  return {
    env: {
      ...{ LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_CACHE_DURATION: '1' },
      DONT_FAKE_MONOTONIC: '1',
    },
    bend,
  };
}
