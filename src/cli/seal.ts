// `countersign seal` and `countersign unseal`: all minting stopped, and let go on.
import type { Command } from 'commander';
import { addVerb } from './command.ts';
import { usage } from './failure.ts';
import type { Outside } from './outside.ts';
import { fields } from './text.ts';

interface State {
  sealed: boolean;
  changed: boolean;
  sealed_at?: string;
  sealed_by?: string;
  sealed_as?: string;
  reason?: string;
}

function requireReason(options: { reason?: string }): void {
  if (options.reason === undefined)
    throw usage('--reason is missing.', 'Add --reason "…"; it is kept in the audit log.');
}

export function addSealCommands(program: Command, outside: Outside): void {
  addVerb<{ reason?: string }>(program, outside, {
    usage: 'seal',
    summary: 'Stop all minting: no token, no session credentials, on any replica.',
    about:
      "From its commit on. Discovery, JWKS, and administration with tokens already held go on; so does this host's socket,\nso that `countersign unseal` works from here. AWS sessions already handed out live until they expire.",
    changes: true,
    examples: [
      'countersign seal --reason "INC-42: a workload key was seen in a paste"',
      'countersign seal --reason "…" --json',
    ],
    run: async ({ api, options, show }) => {
      requireReason(options);
      const state = (await (await api()).send('POST', '/v1/service/seal')) as State;
      const { changed, sealed: _, ...who } = state;
      show(state, (paint) => {
        const line = changed ? 'Sealed: nothing is minted.' : 'It was sealed already; nothing was changed.';
        return `${line}\n${fields(paint, Object.entries(who))}`;
      });
    },
  });
  addVerb<{ reason?: string }>(program, outside, {
    usage: 'unseal',
    summary: 'Let the service mint again.',
    about: 'Verification of connections goes on by itself. Works by the socket of the host while no token can be had.',
    changes: true,
    examples: ['countersign unseal --reason "INC-42: the key was deleted"'],
    run: async ({ api, options, show }) => {
      requireReason(options);
      const state = (await (await api()).send('POST', '/v1/service/unseal')) as State;
      show(state, () =>
        state.changed ? 'Unsealed: the service mints again.\n' : 'It was not sealed; nothing was changed.\n',
      );
    },
  });
}
