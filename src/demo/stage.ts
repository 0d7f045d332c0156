// What all scenes share: the folders of this run, and what must be taken down at the end, last first.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Screen } from './screen.ts';

export interface Stage {
  screen: Screen;
  /** Of the service: its database. */
  dataDir: string;
  /** Its key-encryption key. */
  keysDir: string;
  logFile: string;
  socketPath: string;
  /** Private keys of the workloads, and token files: what services would keep on their own machines. */
  workloadsDir: string;
  /** Whether all of it is removed at the end. */
  temporary: boolean;
  onEnd(end: () => unknown): void;
  /**
   * Takes everything down, once, however often it is called.
   * @throws AggregateError of what could not be; the rest is down all the same
   */
  end(): Promise<void>;
}

/** @throws Error where something is in the folder: it may be a service's own, with keys in it */
function claim(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length === 0) return;
  throw new Error(`${folder} is not empty. Give --data-dir a new folder: the demo starts from nothing.`);
}

/** @param dataDir kept at the end; a temporary one if absent */
export function createStage(screen: Screen, dataDir: string | undefined): Stage {
  if (dataDir !== undefined) claim(dataDir);
  const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'));
  const kept = dataDir ?? join(folder, 'data');
  const workloadsDir = join(kept, 'workloads');
  mkdirSync(workloadsDir, { recursive: true, mode: 0o700 });
  const ends: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];

  async function takeDown(): Promise<void> {
    const faults: unknown[] = [];
    for (const end of ends.reverse()) {
      try {
        await end();
      } catch (error) {
        faults.push(error);
      }
    }
    if (faults.length > 0) throw new AggregateError(faults, faults.map(String).join(' '));
  }

  let ended: Promise<void> | undefined;
  return {
    ...{ screen, workloadsDir, dataDir: kept, temporary: dataDir === undefined },
    ...{ keysDir: join(kept, 'keys'), logFile: join(kept, 'service.log') },
    // A short path of its own: Unix sockets take 103 bytes, and --data-dir may be long.
    socketPath: join(folder, 'host.sock'),
    onEnd: (end) => void ends.push(end),
    end: () => (ended ??= takeDown()),
  };
}
