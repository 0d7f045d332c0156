// `countersign trusted-issuer`: who may say of a workload or a person that they are who they say.
import { type Command, Option } from 'commander';
import { segment } from './api.ts';
import type { Call } from './call.ts';
import { addNoun, addVerb } from './command.ts';
import { usage } from './failure.ts';
import { collect, given, integer, readJson } from './options.ts';
import type { Outside } from './outside.ts';
import { listOptions, type ListOptions, more, readPages } from './pages.ts';
import { fields, type Paint, table, type Warning, warned } from './text.ts';

interface TrustedIssuer {
  id: string;
  name: string;
  kind: string;
  issuer: string;
  state: string;
  login: { client_id: string; scopes: string[] } | null;
  warnings?: Warning[];
}

interface RuleOptions {
  audience?: string;
  algorithm?: string[];
  jwksUri?: string | false;
  jwks?: string | false;
  oneTime?: boolean;
  maxTokenSeconds?: number;
  loginClientId?: string;
  loginScope?: string[];
  login?: false;
}

interface CreateOptions extends RuleOptions {
  kind: string;
  issuer: string;
  idempotencyKey?: string;
}

const KINDS = ['kubernetes', 'github', 'gitlab', 'spiffe', 'aws', 'oidc'];
const PATH = '/v1/trusted-issuers';
const pathOf = (name: string | undefined): string => `${PATH}/${segment(name as string)}`;

function ruleOptions(command: Command): Command {
  return command
    .option('--audience <audience>', 'what its tokens name at the token endpoint (default: ISSUER_URL)')
    .option('--algorithm <name>', 'that it signs with (again for more; default: those of its kind)', collect)
    .option('--jwks-uri <url>', 'where its keys are, where discovery is not to say it')
    .option('--jwks <file>', 'its JWKS, pasted: then nothing is fetched')
    .option('--one-time', 'each of its tokens may be shown once (default: of its kind)')
    .option('--no-one-time', 'its tokens may be shown many times')
    .option('--max-token-seconds <n>', 'the longest life of a token, 60 to 86400', integer(60, 86_400))
    .option('--login-client-id <id>', 'people sign in there, by the public client that is registered for this command')
    .option('--login-scope <scope>', 'that a sign-in asks for beside openid (again for more), e.g. email', collect);
}

/** @throws Failure (usage) for scopes of no client */
function loginOf({ login, loginClientId, loginScope }: RuleOptions): object | null | undefined {
  if (login === false) return null;
  if (loginClientId !== undefined) return given({ client_id: loginClientId, scopes: loginScope });
  if (loginScope !== undefined)
    throw usage('--login-scope goes with --login-client-id.', 'Say both: how people sign in is given as a whole.');
  return undefined;
}

function rules(options: RuleOptions): Record<string, unknown> {
  const { audience, algorithm, jwksUri, jwks, oneTime, maxTokenSeconds } = options;
  return given({
    login: loginOf(options),
    ...{ audience, algorithms: algorithm, one_time: oneTime, max_token_seconds: maxTokenSeconds },
    jwks_uri: jwksUri === false ? null : jwksUri,
    jwks: jwks === undefined ? undefined : jwks === false ? null : readJson(jwks),
  });
}

/** The issuer, and under it what asks for a second look. */
function shown(paint: Paint, { warnings = [], ...issuer }: TrustedIssuer): string {
  const login = issuer.login && `${issuer.login.client_id} (${issuer.login.scopes.join(' ')})`;
  return fields(paint, Object.entries({ ...issuer, login })) + warned(paint, warnings);
}

async function change(call: Call<object>, members: object): Promise<void> {
  const updated = (await (await call.api()).send('PATCH', pathOf(call.args[0]), members)) as TrustedIssuer;
  call.show(updated, (paint) => shown(paint, updated));
}

export function addTrustedIssuerCommands(program: Command, outside: Outside): void {
  const noun = addNoun(
    program,
    'trusted-issuer',
    'whose tokens prove workloads and people: clusters, CI, clouds, the company',
  );

  addVerb<CreateOptions>(noun, outside, {
    usage: 'create <name>',
    summary: 'Trust an issuer: by discovery, or with its keys pasted.',
    changes: true,
    examples: [
      'countersign trusted-issuer create github --kind github --issuer https://token.actions.githubusercontent.com --reason "…"',
      'countersign trusted-issuer create acme --kind oidc --issuer https://login.acme.example --login-client-id 0oa1countersign --login-scope email --reason "…"',
      'countersign trusted-issuer create cluster-a --kind kubernetes --issuer https://kubernetes.cluster-a --jwks jwks.json',
    ],
    options: (command) =>
      ruleOptions(
        command
          .addOption(new Option('--kind <kind>', 'what it is, for defaults').choices(KINDS).makeOptionMandatory())
          .requiredOption('--issuer <url>', 'the iss of its tokens, to the letter'),
      ).option('--idempotency-key <key>', 'makes the command safe to run again'),
    run: async ({ api, args, options, show }) => {
      const body = { name: args[0], kind: options.kind, issuer: options.issuer, ...rules(options) };
      const created = (await (await api()).create(PATH, body, options.idempotencyKey)) as TrustedIssuer;
      show(created, (paint) => shown(paint, created));
    },
  });

  addVerb<ListOptions>(noun, outside, {
    usage: 'list',
    summary: 'List trusted issuers.',
    examples: ['countersign trusted-issuer list'],
    options: listOptions,
    run: async ({ api, options, show }) => {
      const page = await readPages<TrustedIssuer>(await api(), PATH, {}, options);
      show(page, (paint) => {
        const rows = page.items.map(({ name, kind, issuer, state }) => [name, kind, state, issuer]);
        return table(paint, ['NAME', 'KIND', 'STATE', 'ISSUER'], rows) + more(page);
      });
    },
  });

  addVerb(noun, outside, {
    usage: 'show <issuer>',
    summary: 'Show one trusted issuer, and which claims of its kind are worth matching.',
    examples: ['countersign trusted-issuer show github'],
    run: async ({ api, args, show }) => {
      const found = (await (await api()).get(pathOf(args[0]))) as TrustedIssuer;
      show(found, (paint) => shown(paint, found));
    },
  });

  addVerb(noun, outside, {
    usage: 'keys <issuer>',
    summary: 'Show which keys of it the service holds, and why the last fetch failed.',
    examples: ['countersign trusted-issuer keys github'],
    run: async ({ api, args, show }) => {
      const keys = (await (await api()).get(`${pathOf(args[0])}/keys`)) as Record<string, unknown>;
      show(keys, (paint) => fields(paint, Object.entries(keys)));
    },
  });

  addVerb<RuleOptions>(noun, outside, {
    usage: 'update <issuer>',
    summary: 'Change what is taken of an issuer; what is not named stays.',
    changes: true,
    examples: ['countersign trusted-issuer update cluster-a --jwks jwks.json --reason "its next key"'],
    options: (command) =>
      ruleOptions(command)
        .option('--no-jwks-uri', 'by discovery again')
        .option('--no-jwks', 'fetched again')
        .option('--no-login', 'nobody signs in there any more'),
    run: async (call) => {
      const body = rules(call.options);
      if (Object.keys(body).length === 0) throw usage('Nothing was named to change.');
      await change(call, body);
    },
  });

  for (const [name, state, summary] of [
    ['suspend', 'suspended', 'Believe it nothing from the commit on.'],
    ['resume', 'active', 'Believe a suspended issuer again.'],
  ] as const)
    addVerb(noun, outside, {
      ...{ usage: `${name} <issuer>`, summary, changes: true },
      examples: [`countersign trusted-issuer ${name} github --reason "…"`],
      run: (call) => change(call, { state }),
    });

  addVerb(noun, outside, {
    usage: 'delete <issuer>',
    summary: 'Trust an issuer no more, once nobody has an identity of it.',
    changes: true,
    examples: ['countersign trusted-issuer delete cluster-a --reason "the cluster is gone"'],
    run: async ({ api, args, show }) => {
      await (await api()).send('DELETE', pathOf(args[0]));
      show({ issuer: args[0], deleted: true }, () => `deleted ${args[0]}\n`);
    },
  });
}
