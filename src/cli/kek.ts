// `countersign kek`: the keys that wrap private halves at rest, and the rotation from one to the next.
import type { Command } from 'commander';
import { addNoun, addVerb } from './command.ts';
import { Failure, usage } from './failure.ts';
import { integer } from './options.ts';
import type { Outside } from './outside.ts';
import { steadily } from './patience.ts';
import { renewedApi } from './renewed.ts';
import { fields, type Paint, table } from './text.ts';

interface State {
  keks: { id: string; source?: string; wraps: boolean; private_halves: number }[];
  rotation?: {
    to: string;
    started_at: string;
    actor: string;
    reason: string;
    remaining: number;
    trouble?: string;
    finished_at?: string;
  };
  replicas: { id: string; host: string; opens: string[]; seen_at: string }[];
  changed?: boolean;
}

function text(paint: Paint, { keks, rotation, replicas }: State): string {
  const keys = keks.map(({ id, source, wraps, private_halves: count }) => [
    id,
    wraps ? 'wraps' : 'opens',
    String(count),
    source ?? 'not given to this replica',
  ]);
  const rows = replicas.map(({ id, host, opens, seen_at: seen }) => [id, host, opens.join(', '), seen]);
  return [
    table(paint, ['KEY-ENCRYPTION KEY', 'IS', 'PRIVATE HALVES', 'FROM'], keys),
    ...(rotation ? [fields(paint, Object.entries(rotation))] : []),
    ...(replicas.length > 0 ? [table(paint, ['REPLICA', 'HOST', 'OPENS', 'SEEN'], rows)] : []),
  ].join('\n');
}

export function addKekCommands(program: Command, outside: Outside): void {
  const kek = addNoun(program, 'kek', 'key-encryption keys: which wraps, which open; rotate');

  addVerb(kek, outside, {
    usage: 'show',
    summary: 'Show the key-encryption keys, how far a rotation is, and what each replica opens.',
    examples: ['countersign kek show', 'countersign kek show --json'],
    run: async ({ api, show }) => {
      const state = (await (await api()).get('/v1/kek')) as State;
      show(state, (paint) => text(paint, state));
    },
  });

  addVerb<{ wait?: true; timeout: number; reason?: string }>(kek, outside, {
    usage: 'rotate [id]',
    summary: 'Wrap by another key-encryption key, and move every private half under it.',
    about:
      'The only other key unless named. Refused until every replica opens it. Callers notice nothing; the old key opens\nuntil the rotation is finished, and can be taken out of the configuration then.',
    changes: true,
    examples: [
      'countersign kek rotate --wait --reason "yearly"',
      'countersign kek rotate arn:aws:kms:… --reason "INC-42: move to KMS"',
    ],
    options: (command) =>
      command
        .option('--wait', 'until every private half is under it')
        .option('--timeout <seconds>', 'how long to wait', integer(1, 86_400), 3600),
    run: async (call) => {
      const { args, options, show, note } = call;
      if (options.reason === undefined)
        throw usage('--reason is missing.', 'Add --reason "…"; it is kept in the audit log.');
      const calls = await renewedApi(call);
      const [to] = args;
      let state = (await calls.send('POST', '/v1/kek/rotate', to === undefined ? {} : { to })) as State;
      if (state.changed === false) note('It wraps already; nothing was changed.');
      const until = outside.now() + options.timeout * 1000;
      while (options.wait && state.rotation && state.rotation.finished_at === undefined) {
        const { remaining, trouble } = state.rotation;
        note(`${remaining} private halves to go${trouble === undefined ? '' : `; ${trouble}`}`);
        if (outside.now() >= until)
          throw new Failure('wait_timeout', `It is not finished after ${options.timeout} s.`, {
            hint: 'It goes on by itself: countersign kek show.',
          });
        await outside.sleep(1000);
        state = {
          ...((await steadily(() => calls.get('/v1/kek'), outside, until)) as State),
          ...('changed' in state ? { changed: state.changed } : {}),
        };
      }
      show(state, (paint) => text(paint, state));
    },
  });
}
