// The demo as a process, the way npm starts it: what it says, how it ends, and what it leaves behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';

const MAIN = join(import.meta.dirname, '../../src/demo/main.ts');

/** A shell that is logged in elsewhere, and configured for another service: none of it may matter. */
const HOSTILE = {
  ...{ AWS_ACCESS_KEY_ID: 'AKIAREALREALREALREAL', AWS_SECRET_ACCESS_KEY: 'real', AWS_PROFILE: 'production' },
  ...{ AWS_ENDPOINT_URL: 'http://127.0.0.1:1', AWS_ENDPOINT_URL_STS: 'http://127.0.0.1:1', AWS_REGION: 'eu-west-3' },
  ...{ AWS_USE_FIPS_ENDPOINT: 'true', AWS_CONFIG_FILE: '/nonexistent', AWS_DEFAULTS_MODE: 'nonsense' },
  ...{
    ISSUER_URL: 'https://id.example.com',
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
    DATA_DIR: '/nonexistent',
  },
  ...{
    COUNTERSIGN_URL: 'https://id.example.com',
    COUNTERSIGN_TOKEN: 'real',
    SOCKET_PATH: '/nonexistent/s.sock',
    PORT: '80',
  },
};

export interface Demo {
  child: ChildProcess;
  said(): string;
  /** Until it has said this. @throws Error when it ends first */
  until(text: string | RegExp): Promise<string>;
  /** The exit code, or the name of the signal. */
  ended: Promise<number | string>;
  /** Of the service, once it has been named. */
  servicePid(): number;
  /** What is in its folder for temporary files. */
  leftovers(): string[];
}

export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'demo-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function startDemo(t: Test, argv: string[], env: Record<string, string> = {}): Demo {
  const folder = temporaryFolder(t);
  const child = spawn(process.execPath, [MAIN, ...argv], {
    env: { ...HOSTILE, PATH: process.env['PATH'] ?? '', TMPDIR: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (some: string) => (text += some));
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  t.teardown(() => child.kill('SIGKILL'));
  return {
    ...{ child, ended, said: () => text, leftovers: () => (existsSync(folder) ? readdirSync(folder) : []) },
    servicePid: () => Number(/process (\d+)/.exec(text)?.[1]),
    until: async (wanted) => {
      let over = false;
      void ended.then(() => (over = true));
      while (typeof wanted === 'string' ? !text.includes(wanted) : !wanted.test(text)) {
        if (over) throw new Error(`it ended without saying ${wanted}:\n${text}`);
        await delay(50);
      }
      return text;
    },
  };
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
