// A command run as a child of this one: its streams are ours, signals reach it, and its end is ours.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { Failure } from './failure.ts';

/** A terminal gives these to its whole foreground group, so to the child as well; many take a second one for haste. */
const OF_TERMINALS = ['SIGINT', 'SIGQUIT'] as const;
const PASSED_ON = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;

/** Whether this process, and so its child, is what its terminal runs now, wherever its streams lead. */
function isForeground(): boolean {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    // proc(5), after the name: state, parent, group, session, terminal, the terminal's foreground group.
    const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return group === foreground;
  } catch {
    return [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY);
  }
}

/**
 * @returns its exit code; 128 and the signal's number where a signal ended it, as shells say it
 * @throws Failure with exit code 127 where there is no such command, 126 where it cannot be run
 */
export async function runChild(command: readonly string[], env: Record<string, string>): Promise<number> {
  const [name = '', ...args] = command;
  const child = start(name, args, env);
  const listeners = [...OF_TERMINALS, ...PASSED_ON].map((signal) => {
    const ofTerminals = (OF_TERMINALS as readonly string[]).includes(signal);
    const listener = (): void => {
      if (!ofTerminals || !isForeground()) child.kill(signal);
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => reject(notStarted(name, error)));
      child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    });
  } finally {
    for (const remove of listeners) remove();
  }
}

/** Some of what keeps a command from running is an event of the child, and some is thrown. */
function start(name: string, args: string[], env: Record<string, string>): ChildProcess {
  try {
    return spawn(name, args, { env, stdio: 'inherit' });
  } catch (error) {
    throw notStarted(name, error as NodeJS.ErrnoException);
  }
}

function notStarted(name: string, error: NodeJS.ErrnoException): Failure {
  const missing = error.code === 'ENOENT';
  return new Failure(
    missing ? 'command_not_found' : 'command_not_run',
    missing ? `There is no command ${name}.` : `${name} cannot be run (${error.code ?? 'unknown fault'}).`,
    {
      exit: missing ? 127 : 126,
      hint:
        error.code === 'E2BIG'
          ? 'Its arguments and its environment are longer than this system takes.'
          : 'Give it after --, as a shell would find it: countersign exec acme -- aws s3 ls',
    },
  );
}
