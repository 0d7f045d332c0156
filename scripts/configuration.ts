// `npm run configuration`: docs/configuration.md from the one schema of src/config.ts; `--check` fails where the committed file differs.
import { ConfigError, Environment, readConfig, SECRETS } from '../src/config.ts';
import {
  DEFAULT_POLICY,
  destruction,
  type KeyPolicy,
  LOOPBACK_POLICY,
  retirement,
  seasoning,
} from '../src/keys/policy.ts';
import { GROUPS, type VariableName, VARIABLES } from '../src/variables.ts';
import { settleGenerated } from './generated.ts';

const FILE = 'docs/configuration.md';
const SEEDS = 'Key policy';

const variables = Object.entries(Environment.properties) as unknown as [VariableName, { description: string }][];

const cell = (text = ''): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

function listVariables(group: (typeof GROUPS)[number]): string {
  const rows = variables
    .filter(([name]) => VARIABLES[name].group === group)
    .map(([name, { description }]) => {
      const { required, default: fallback, example } = VARIABLES[name];
      return `| \`${name}\` | ${cell(required)} | ${cell(fallback)} | \`${example}\` | ${cell(description)} |`;
    });
  return [
    '| variable | required when | default | example | what it is |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

/** What the service says to an environment: asked of the code itself, so that this page cannot say otherwise. */
function refusal(env: Record<string, string>): string {
  try {
    readConfig({ SOCKET_PATH: '/run/countersign/api.sock', ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((line) => line.replace(/^/, '    ')).join('\n');
    throw error;
  }
  throw new Error('this example is accepted: choose another');
}

const PRODUCTION = {
  ISSUER_URL: 'https://id.example.com',
  PORT: '8080',
  INTERNAL_URL: 'https://countersign.internal.example.com',
  INTERNAL_PORT: '8081',
  DATABASE_URL: 'postgres://countersign@db.internal.example.com/countersign',
  KEY_ENCRYPTION_KEY_FILE: '/etc/countersign/kek',
};
readConfig({ SOCKET_PATH: '/run/countersign/api.sock', ...PRODUCTION });

const REFUSED: [why: string, env: Record<string, string>][] = [
  ['Nothing is set.', {}],
  ['`ISSUER_URL` is not loopback, and nothing else is set.', { ISSUER_URL: PRODUCTION.ISSUER_URL }],
  [
    'A port in `ISSUER_URL`, and the two listeners on one port.',
    { ...PRODUCTION, ISSUER_URL: 'https://id.example.com:8443', INTERNAL_PORT: '8080' },
  ],
  [
    'Plain http for a name that others reach.',
    { ...PRODUCTION, INTERNAL_URL: 'http://countersign.internal.example.com' },
  ],
  ['The sandbox in place of AWS.', { ...PRODUCTION, STS_ENDPOINT_URL: 'http://127.0.0.1:4566' }],
  ['A key policy that breaks its arithmetic.', { ...PRODUCTION, KEY_POLICY_PERIOD_SECONDS: '86400' }],
];

const seconds = (ms: number): string => `${ms / 1000} s`;

function describePolicy(name: string, policy: KeyPolicy): string {
  const cells = [policy.verifierCache, policy.oldestServed, policy.oldestSigned, policy.clockError, policy.period];
  const derived = [
    seasoning(policy),
    retirement(policy, 'workload_token'),
    retirement(policy, 'web_identity_token'),
    destruction(policy),
  ];
  return `| ${[name, ...[...cells, ...derived].map(seconds)].join(' | ')} |`;
}

function writePage(): string {
  return `<!-- Generated from src/config.ts by \`npm run configuration\`: change that, not this. -->

# Configuration

The service reads its configuration from the environment, once, at the start. It reports every problem at once, by
variable, and does not start with any. An empty variable counts as not set. \`countersign config check\` shows the
effective configuration, where each value comes from, and every problem, and starts nothing.

${GROUPS.filter((group) => group !== SEEDS)
  .map((group) => `## ${group}\n\n${listVariables(group)}`)
  .join('\n\n')}

## Secrets from files

${SECRETS.map((name) => `\`${name}\` may come from a file: set \`${name}_FILE\` to its path instead.`).join('\n')}

## For production

The least that a service with an issuer on the internet needs:

\`\`\`sh
${Object.entries(PRODUCTION)
  .map(([name, value]) => `${name}=${value}`)
  .join('\n')}
\`\`\`

Both URLs are https. The listeners speak plain http (the internal one unless \`INTERNAL_TLS_*\` is set): put TLS in front of each. A Host header that is not of
\`ISSUER_URL\` (public listener), \`INTERNAL_URL\` (internal listener) or in \`ALLOWED_HOSTS\` gets 421; health answers any.

With a loopback issuer (127.0.0.1, ::1, localhost) both listeners share one port unless \`INTERNAL_PORT\` is another, the API page is at \`/docs\`,
and the key-encryption key is made by itself where there is no \`DATABASE_URL\`.

## The seeds of the key policy

They are read when a database has no key policy yet; its row holds from then on. [The
arithmetic](architecture.md#the-arithmetic) says what the letters mean.

${listVariables(SEEDS)}

|  | A | D | R | e | period | seasoning A + D + e | removal R + T + S + e, workload tokens | the same, web identity tokens | destruction R + e + 15 min |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${describePolicy('default', DEFAULT_POLICY)}
${describePolicy('loopback issuer', LOOPBACK_POLICY)}

## What is refused, in its own words

${REFUSED.map(([why, env]) => `${why}\n\n${refusal(env)}`).join('\n\n')}
`;
}

if (import.meta.main) {
  process.exitCode = settleGenerated(FILE, writePage(), {
    check: process.argv.includes('--check'),
    command: 'configuration',
  });
}
