// The command as a process of its own, and the agent as one.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { keepShown } from './known-secrets.ts';
import { PATIENCE_MS } from './until.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');

export interface Running {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** The command as a process, killed at the end of the test. */
export function startCommand(t: Test, argv: string[], env: Record<string, string | undefined>): Running {
  const child = spawn(process.execPath, [MAIN, ...argv], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
}

export interface RunningAgent extends Running {
  url: string;
  tokenFile: string;
  /** As callers show it, read from the token file. */
  bearer(): string;
  /** What it says to set. */
  environment: Record<string, string>;
}

/** `countersign agent acme`, when it has said what to set. */
export async function startAgentProcess(t: Test, env: Record<string, string>, argv: string[]): Promise<RunningAgent> {
  const running = startCommand(t, ['agent', 'acme', '--json', ...argv], env);
  const said = async (): Promise<void> => {
    while (!running.stdout().endsWith('}\n')) await once(running.child.stdout as NodeJS.EventEmitter, 'data');
  };
  const gone = await Promise.race([said(), running.ended]);
  if (gone) throw new Error(`the agent ended with ${gone.code}:\n${running.stderr()}`);
  const { url, token_file: tokenFile, environment } = JSON.parse(running.stdout());
  const bearer = (): string => {
    const line = readFileSync(tokenFile, 'utf8');
    keepShown("that is the agent's", line);
    return line;
  };
  return { ...running, url, tokenFile, bearer, environment };
}

/** Asks again while it has heard nothing at all: a busy machine may need longer than it holds a request. */
export async function askAgent({ environment, bearer }: RunningAgent, query = ''): Promise<Record<string, unknown>> {
  const uri = `${environment['AWS_CONTAINER_CREDENTIALS_FULL_URI']}${query}`;
  for (const end = performance.now() + PATIENCE_MS; ; ) {
    const answer = await fetch(uri, { headers: { authorization: bearer() } });
    const said = (await answer.json()) as Record<string, unknown>;
    if (said['Code'] !== 'unavailable' || performance.now() > end) return said;
  }
}
