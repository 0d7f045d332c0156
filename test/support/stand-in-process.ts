// A process that stands in for somebody else's server: forked, told what to do, and ended with its test.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Test } from 'tap';

/** Says it to the process. @returns what the process says to that @throws where it ended, with what it printed */
export type Tell<Message, Reply> = (message: Message) => Promise<Reply>;

/** @param module a file of this folder, which answers each message by one, in their order */
export function forkStandIn<Message extends object, Reply>(t: Test, module: string): Tell<Message, Reply> {
  const child = fork(join(import.meta.dirname, module), { execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const waiting: ((reply: Reply) => void)[] = [];
  child.on('message', (reply) => waiting.shift()?.(reply as Reply));
  const ended = once(child, 'close');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const complain = async (): Promise<never> => {
    await ended;
    throw new Error(`${module} ended:\n${printed}`);
  };
  return (message) => {
    const { promise, resolve } = Promise.withResolvers<Reply>();
    waiting.push(resolve);
    // Where it cannot be told, it has ended or is about to.
    child.send(message, () => {});
    return Promise.race([promise, complain()]);
  };
}
