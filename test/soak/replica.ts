// A replica as a process that is killed and started again, on the same port, folder and socket.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { readMetrics } from '../support/leaks.ts';
import { leaveToSearch } from '../support/left-by-processes.ts';
import { findLastingPort } from '../support/ports.ts';
import { tempDir } from '../support/service.ts';

const MOST_PRINTED = 4_000_000;
const ROOT = join(import.meta.dirname, '../..');

export interface Replica {
  /** As clients see it: through its wire, where it has one. */
  url: string;
  direct: string;
  socketPath: string;
  /** Whether it said so, and was not killed since. */
  ready: boolean;
  /** One more with each start. */
  generation: number;
  /** When it last said that it was ready, on the monotonic clock. */
  readyAt: number;
  start(): void;
  /** @throws Error with what it printed, where it ends or is not ready in time. */
  untilReady(ms: number): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  stop(): Promise<number | null>;
  output(): string;
}

export async function createReplica(
  t: Test,
  env: Record<string, string>,
  /** A proxy in front of its port. */
  startWire?: (port: number) => Promise<{ port: number }>,
  /** Where its database is searched for secrets, if not by its own way there. */
  databaseUrl = env['DATABASE_URL'],
): Promise<Replica> {
  const dir = tempDir(t);
  const port = await findLastingPort();
  const seen = (await startWire?.(port))?.port ?? port;
  let child: ChildProcess | undefined;
  let output = '';
  /** Of every start; a soak's oldest lines go first. */
  let printed = '';
  let ended: Promise<unknown> = Promise.resolve();
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    replica.ready = false;
    child?.kill(signal);
    await ended;
    return child?.exitCode ?? null;
  };
  const replica: Replica = {
    ...{
      url: `http://127.0.0.1:${seen}`,
      direct: `http://127.0.0.1:${port}`,
      socketPath: join(dir, 'run/s.sock'),
      ready: false,
      generation: 0,
      readyAt: 0,
    },
    start: () => {
      output = '';
      replica.generation += 1;
      child = spawn(process.execPath, [join(ROOT, 'src/main.ts')], {
        env: {
          PATH: process.env['PATH'],
          // What was compiled for one start is compiled for all.
          NODE_COMPILE_CACHE: join(tmpdir(), 'countersign-compile-cache'),
          ...{
            PORT: String(port),
            DATA_DIR: dir,
            SOCKET_PATH: replica.socketPath,
            ALLOWED_HOSTS: `127.0.0.1:${port},127.0.0.1:${seen}`,
          },
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      ended = once(child, 'exit');
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding('utf8').on('data', (chunk: string) => {
          output = (output + chunk).slice(-200_000);
          printed = (printed + chunk).slice(-MOST_PRINTED);
        });
      }
    },
    untilReady: async (ms) => {
      for (const until = performance.now() + ms; !output.includes('"msg":"ready"'); ) {
        if (child?.exitCode !== null || performance.now() > until)
          throw new Error(
            `a replica is not ready after ${ms} ms (exit code ${child?.exitCode}):\n${output.slice(-3000)}`,
          );
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      replica.ready = true;
      replica.readyAt = performance.now();
    },
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
    output: () => output,
  };
  const left = leaveToSearch(t, {
    url: replica.direct,
    env: { ...env, ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}) },
    log: () => printed,
  });
  t.teardown(async () => {
    if (replica.ready) left.metrics = await readMetrics(replica.direct);
    await end('SIGKILL');
  });
  return replica;
}
