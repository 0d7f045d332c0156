// What is measured runs in processes of its own, started here and gone with the bench.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findLastingPort } from '../test/support/ports.ts';

const ROOT = join(import.meta.dirname, '..');

export interface Started {
  /** Without a trailing slash. */
  url: string;
  /** Seconds of processor time since its start; undefined where the system does not tell. */
  cpuSeconds(): number | undefined;
  /** Resident memory now; undefined where the system does not tell. */
  residentMegabytes(): number | undefined;
  /** Files and sockets that it has open; 0 where the system does not tell. */
  openFiles(): number;
  stop(): Promise<void>;
}

/** User and system time (proc(5)), in the kernel's 100 ticks a second. */
function readCpuSeconds(pid: number | undefined): number | undefined {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return undefined;
  const fields = readFileSync(file, 'utf8').replace(/^.*\)/s, '').trim().split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function readResidentMegabytes(pid: number | undefined): number | undefined {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return undefined;
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(file, 'utf8'))?.[1];
  return kilobytes === undefined ? undefined : (Number(kilobytes) * 1024) / 1e6;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(force);
}

/**
 * Runs a file of this project with nothing of the environment but what a process needs, until a line of its output is
 * `isReady`.
 * @throws Error with its output when it ends before that.
 */
export async function startProcess(
  file: string,
  env: Record<string, string>,
  isReady: (line: string) => boolean,
): Promise<Started> {
  const { PATH = '', HOME = '', NODE_OPTIONS = '' } = process.env;
  // BENCH_NODE_FLAGS: e.g. --cpu-prof, to see where a ratio comes from.
  const flags = (process.env.BENCH_NODE_FLAGS ?? '').split(' ').filter(Boolean);
  const child = spawn(process.execPath, [...flags, join(ROOT, file)], {
    cwd: ROOT,
    env: { PATH, HOME, NODE_OPTIONS, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const endWithBench = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithBench);
  child.once('exit', () => process.off('exit', endWithBench));
  const seen: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => {
      if (seen.length < 50) seen.push(line);
      if (isReady(line)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code}:\n${seen.join('\n')}`)));
  });
  return {
    url: '',
    cpuSeconds: () => readCpuSeconds(child.pid),
    residentMegabytes: () => readResidentMegabytes(child.pid),
    openFiles: () => (existsSync(`/proc/${child.pid}/fd`) ? readdirSync(`/proc/${child.pid}/fd`).length : 0),
    stop: () => stop(child),
  };
}

/** A server of bench/servers, which listens on PORT and then says so. */
export async function startServer(name: string, env: Record<string, string> = {}): Promise<Started> {
  const port = await findLastingPort();
  const started = await startProcess(
    `bench/servers/${name}.ts`,
    { PORT: String(port), ...env },
    (line) => line === 'listening',
  );
  return { ...started, url: `http://127.0.0.1:${port}` };
}
