// A connection's life: verify, wait until it is active, pause, resume, disconnect.
import type { Command } from 'commander';
import type { Call } from './call.ts';
import { addVerb } from './command.ts';
import { type Connection, connectionFields, connectionPath } from './connection-shape.ts';
import { Failure } from './failure.ts';
import { integer } from './options.ts';
import type { Outside } from './outside.ts';
import { steadily } from './patience.ts';
import { renewedApi } from './renewed.ts';
import { clean } from './text.ts';

/** The longest that the service holds one long poll, in seconds. */
const LONGEST_POLL = 30;

/** States that waiting does not leave. */
const STUCK = new Set(['disconnected', 'paused', 'unsafe']);

const lastWord = ({ state, state_reason: why, verification }: Connection): string =>
  clean([state, why, verification?.last_code, verification?.last_detail].filter(Boolean).join(': '));

async function wait(call: Call<{ timeout: number }>): Promise<void> {
  const { args, options, note, show, outside } = call;
  const calls = await renewedApi(call);
  const until = outside.now() + options.timeout * 1000;
  let said = '';
  for (;;) {
    const left = Math.max(1, Math.min(LONGEST_POLL, Math.ceil((until - outside.now()) / 1000)));
    const asked = outside.now();
    const poll = (): Promise<unknown> =>
      calls.get(connectionPath(args[0] as string), { wait: 'active', timeout_seconds: left }, (left + 10) * 1000);
    const found = (await steadily(poll, outside, until)) as Connection;
    if (found.state === 'active') return show(found, (paint) => connectionFields(paint, found));
    const word = lastWord(found);
    if (STUCK.has(found.state))
      throw new Failure('connection_not_active', `It will not become active by itself: ${word}.`);
    if (outside.now() >= until)
      throw new Failure('wait_timeout', `It is not active after ${options.timeout} s: ${word}.`, {
        hint: 'Verification goes on; wait again, or give --timeout.',
      });
    if (word !== said) note(word);
    said = word;
    // An answer before its time (pending: nobody polls yet) must not become a busy loop.
    if (outside.now() - asked < 1000) await outside.sleep(1000);
  }
}

export function addLifeVerbs(connection: Command, outside: Outside): void {
  addVerb(connection, outside, {
    usage: 'verify <connection>',
    summary: 'Start to verify it at STS, now.',
    changes: true,
    examples: ['countersign connection verify acme-prod && countersign connection wait acme-prod'],
    run: async ({ api, args, show }) => {
      const found = (await (await api()).send('POST', `${connectionPath(args[0] as string)}/verify`)) as
        | Connection
        | undefined;
      show(found ?? {}, (paint) => (found?.id === undefined ? 'verifying\n' : connectionFields(paint, found)));
    },
  });
  addVerb<{ timeout: number }>(connection, outside, {
    usage: 'wait <connection>',
    summary: 'Wait until it is active.',
    about: 'Ends with 1 when the time is over, or where waiting does not help.',
    examples: ['countersign connection wait acme-prod --timeout 600'],
    options: (command) => command.option('--timeout <seconds>', 'how long', integer(1, 86_400), 300),
    run: wait,
  });
  const changes: [string, string, string, string][] = [
    ['pause', 'paused', 'Pause it: no credentials from the commit on.', 'customer asked'],
    ['resume', 'active', 'Let a paused connection be used again.', 'customer agreed'],
  ];
  for (const [name, state, summary, reason] of changes) {
    addVerb(connection, outside, {
      ...{ usage: `${name} <connection>`, summary, changes: true },
      examples: [`countersign connection ${name} acme-prod --reason "${reason}"`],
      run: async ({ api, args, show }) => {
        const found = (await (await api()).send('PATCH', connectionPath(args[0] as string), { state })) as Connection;
        show(found, (paint) => connectionFields(paint, found));
      },
    });
  }
  addVerb(connection, outside, {
    usage: 'disconnect <connection>',
    summary: 'End it for good: its private keys are destroyed, its id is never used again.',
    about:
      'Sessions that were handed out live until they expire; the account owner can end them, and deletes the stack.',
    changes: true,
    examples: ['countersign connection disconnect acme-prod --reason "contract ended"'],
    run: async ({ api, args, show }) => {
      const tombstone = (await (await api()).send('DELETE', connectionPath(args[0] as string))) as Connection;
      show(tombstone, (paint) => connectionFields(paint, tombstone));
    },
  });
}
