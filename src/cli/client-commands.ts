// The verbs of `workload` and `administrator`: create, list, show, suspend, resume, and what may be set.
import type { Command } from 'commander';
import { type Client, clientFields, clientTable, type Kind, pathOf, withNewKey } from './client.ts';
import { SCOPES } from '../http/scopes.ts';
import type { Call } from './call.ts';
import { addVerb } from './command.ts';
import { usage } from './failure.ts';
import { type PublicJwk, readPublicJwk } from './jwk.ts';
import { collect, given } from './options.ts';
import type { Outside } from './outside.ts';
import { listOptions, type ListOptions, more, readPages } from './pages.ts';

const SCOPE_RULE = `Nobody assigns a scope that they do not hold. The scopes:\n${SCOPES.join(' ')}`;

interface CreateOptions {
  description?: string;
  scope?: string[];
  audience?: string[];
  key?: string[];
  generateKey?: string;
  idempotencyKey?: string;
}

export function addCreate(parent: Command, outside: Outside, kind: Kind): void {
  addVerb<CreateOptions>(parent, outside, {
    usage: 'create <slug>',
    summary: `Register ${kind === 'workload' ? 'a workload' : 'an administrator'}.`,
    about: SCOPE_RULE,
    changes: true,
    examples:
      kind === 'workload'
        ? [
            'countersign workload create billing --generate-key billing.pem --reason "nightly cost report"',
            'countersign workload create deploys --key deploys.jwk --scope connections:read',
          ]
        : [
            'countersign administrator create ana --scope connections:read --scope connections:write --reason "joins the platform team, and signs in"',
            'countersign administrator create pipeline --key pipeline.jwk --scope connections:read --reason "…"',
          ],
    options: (command) => {
      command
        .option('--description <text>', 'what it is, for people')
        .option('--scope <scope>', 'scope of the API (again for more)', collect);
      if (kind === 'workload')
        command.option('--audience <url>', 'audience of its own that it may have tokens for (again for more)', collect);
      return command
        .option('--key <file>', 'public key, JWK or PEM (again for more)', collect)
        .option(
          '--generate-key <file>',
          'make a key pair: the private half is written here (0600, never over a file), the public one sent',
        )
        .option('--idempotency-key <key>', 'makes the command safe to run again');
    },
    run: async (call) => {
      const { description, scope, audience, key = [], generateKey, idempotencyKey } = call.options;
      const [slug] = call.args;
      const files = key.map(readPublicJwk);
      const api = await call.api();
      const create = async (keys: PublicJwk[]): Promise<Client> => {
        const body = given({
          slug,
          description,
          scopes: scope,
          audiences: audience,
          ...(keys.length > 0 ? { keys } : {}),
        });
        return (await api.create(pathOf(kind), body, idempotencyKey)) as Client;
      };
      if (generateKey !== undefined && idempotencyKey !== undefined) {
        throw usage(
          '--generate-key goes without --idempotency-key: a new key makes another request of it.',
          'Make the key first, and give its public half to --key.',
        );
      }
      const client = await (generateKey === undefined
        ? create(files)
        : withNewKey(call, generateKey, 'ES256', (jwk) => create([...files, jwk])));
      call.show(client, (paint) => clientFields(paint, client));
    },
  });
}

export function addListAndShow(parent: Command, outside: Outside, kind: Kind): void {
  addVerb<ListOptions>(parent, outside, {
    usage: 'list',
    summary: `List ${kind}s.`,
    examples: [`countersign ${kind} list`, `countersign ${kind} list --all --json`],
    options: listOptions,
    run: async ({ api, options, show }) => {
      const page = await readPages<Client>(await api(), pathOf(kind), {}, options);
      show(page, (paint) => clientTable(paint, page.items) + more(page));
    },
  });
  addVerb(parent, outside, {
    usage: `show <${kind}>`,
    summary: `Show one ${kind} and its keys.`,
    examples: [`countersign ${kind} show ${kind === 'workload' ? 'billing' : 'ana'}`],
    run: async ({ api, args, show }) => {
      const client = (await (await api()).get(pathOf(kind, args[0]))) as Client;
      show(client, (paint) => clientFields(paint, client));
    },
  });
}

async function change(call: Call<object>, kind: Kind, members: object): Promise<void> {
  const name = call.args[0] as string;
  const client = (await (await call.api()).send('PATCH', pathOf(kind, name), members)) as Client;
  call.show(client, (paint) => clientFields(paint, client));
}

export function addChanges(parent: Command, outside: Outside, kind: Kind): void {
  const example = kind === 'workload' ? 'billing' : 'ana';
  const states: [string, string, string][] = [
    [
      'suspend',
      'suspended',
      `Suspend a${kind === 'workload' ? '' : 'n'} ${kind}: no token or credentials from the commit on.`,
    ],
    ['resume', 'active', `Let a suspended ${kind} work again.`],
  ];
  for (const [name, state, summary] of states) {
    addVerb(parent, outside, {
      ...{ usage: `${name} <${kind}>`, summary, changes: true },
      examples: [`countersign ${kind} ${name} ${example} --reason "…"`],
      run: (call) => change(call, kind, { state }),
    });
  }
  addVerb(parent, outside, {
    usage: `set-description <${kind}> <text>`,
    summary: 'Say what it is, for people.',
    changes: true,
    examples: [`countersign ${kind} set-description ${example} "…"`],
    run: (call) => change(call, kind, { description: call.args[1] }),
  });
  addSet(
    parent,
    outside,
    kind,
    'scopes',
    `countersign ${kind} set-scopes ${example} connections:read audit:read --reason "…"`,
  );
  if (kind === 'workload')
    addSet(
      parent,
      outside,
      kind,
      'audiences',
      'countersign workload set-audiences billing https://ledger.internal.example.com',
    );
}

/** A set is given whole: what is not named is taken away. */
function addSet(parent: Command, outside: Outside, kind: Kind, what: 'scopes' | 'audiences', example: string): void {
  addVerb<{ none?: true }>(parent, outside, {
    usage: `set-${what} <${kind}> [${what}...]`,
    summary: `Give it these ${what} and no others.`,
    ...(what === 'scopes' ? { about: SCOPE_RULE } : {}),
    changes: true,
    examples: [
      example,
      `countersign ${kind} set-${what} ${kind === 'workload' ? 'billing' : 'ana'} --none --reason "…"`,
    ],
    options: (command) => command.option('--none', `take all ${what} away`),
    run: async (call) => {
      const [, ...values] = call.args;
      if ((values.length === 0) !== (call.options.none === true))
        throw usage(`Name the ${what}, or give --none to take all away.`);
      await change(call, kind, { [what]: values });
    },
  });
}
