// `countersign token`: a token for one audience, printed for other programs to use.
import type { Command } from 'commander';
import { obtainAccess, type Wanted } from './access.ts';
import { addVerb } from './command.ts';
import { usage } from './failure.ts';
import { collect } from './options.ts';
import type { Outside } from './outside.ts';
import { sourceOf } from './source.ts';

interface TokenOptions {
  connection?: string;
  resource?: string;
  scope?: string[];
}

function wantedOf({ connection, resource, scope = [] }: TokenOptions): Wanted {
  if (connection === undefined)
    return resource === undefined ? { for: 'api', scopes: scope } : { for: 'resource', resource, scopes: scope };
  if (resource !== undefined || scope.length > 0)
    throw usage('--connection goes without --resource and --scope.', 'A token has one audience.');
  return { for: 'credentials', connection };
}

export function addTokenCommand(program: Command, outside: Outside): void {
  addVerb<TokenOptions>(program, outside, {
    usage: 'token',
    summary: 'Print a token for one audience.',
    about:
      'By default it is for the API (<issuer>/v1), with every scope held, or those named. A workload asks for one connection,\nor for an audience registered for it. On the host, without a client, the socket gives one for the API alone.',
    examples: [
      'countersign token --scope connections:read',
      'printf \'Bearer %s\' "$(countersign token --connection cn_…)" > token   # AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=token',
      'countersign token --resource https://billing.internal.example.com --json',
    ],
    options: (command) =>
      command
        .option(
          '--connection <id>',
          "for this connection's credentials; a reference gives a token for every connection granted",
        )
        .option('--resource <url>', 'for this audience')
        .option('--scope <scope>', 'with this scope (again for more)', collect)
        .option('--reason <text>', 'why, for the audit log, when the socket is used'),
    run: async ({ options, show }) => {
      const wanted = wantedOf(options);
      if (sourceOf(outside.env, options).kind === 'token')
        throw usage('COUNTERSIGN_TOKEN is a token already.', 'Unset it to get another.');
      const { token } = await obtainAccess(outside, options, wanted);
      show(token, () => `${token.access_token}\n`);
    },
  });
}
