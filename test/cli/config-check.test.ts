// `countersign config check`: every variable, where it comes from, every problem at once, and no secret.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { mask } from '../../src/cli/effective.ts';
import { Environment } from '../../src/config.ts';
import { GROUPS, VARIABLES } from '../../src/variables.ts';
import { cli, temporaryFolder } from './stand-in.ts';

const PRODUCTION = {
  ISSUER_URL: 'https://id.example.com',
  INTERNAL_URL: 'https://countersign.internal.example.com',
  INTERNAL_PORT: '8081',
  KEY_ENCRYPTION_KEY_FILE: '/etc/countersign/kek',
  SOCKET_PATH: '/run/countersign/api.sock',
};

interface Shown {
  ok: boolean;
  variables: { name: string; group: string; source: string; value?: string; file?: string }[];
  problems: string[];
}

async function check(env: Record<string, string>) {
  const ended = await cli(['config', 'check', '--json'], env);
  const shown = ended.json() as Shown;
  return { ...ended, shown, of: (name: string) => shown.variables.find((variable) => variable.name === name) };
}

t.test('every variable of the schema, with its source and its effective value', async (t) => {
  const { code, shown, of } = await check({ ...PRODUCTION, LOG_LEVEL: '' });
  t.equal(code, 0);
  t.same(shown.problems, []);
  t.same(
    shown.variables.map(({ name }) => name),
    Object.keys(Environment.properties),
  );
  t.match(of('INTERNAL_PORT'), { source: 'set', value: '8081' });
  t.match(of('PORT'), { source: 'default', value: '8080' });
  t.match(of('LOG_LEVEL'), { source: 'default', value: 'info' }, 'an empty one is not set');
  t.match(of('KEY_POLICY_PERIOD_SECONDS'), { source: 'default', value: '2592000' });
  t.match(of('ALLOWED_HOSTS'), { source: 'unset' });
  const loopback = await check({ ISSUER_URL: 'http://127.0.0.1:9999' });
  t.match(loopback.of('PORT'), { source: 'default', value: '9999' });
  t.match(loopback.of('INTERNAL_URL'), { source: 'default', value: 'http://127.0.0.1:9999' });
  t.match(loopback.of('KEY_POLICY_PERIOD_SECONDS'), { source: 'default', value: '180' });
});

t.test('all problems at once, by name, and code 1', async (t) => {
  const { code, shown, stderr } = await check({ ISSUER_URL: 'https://id.example.com:8443', LOG_LEVEL: 'loud' });
  t.equal(code, 1);
  t.equal(shown.ok, false);
  for (const name of ['LOG_LEVEL', 'ISSUER_URL', 'INTERNAL_URL', 'INTERNAL_PORT', 'KEY_ENCRYPTION_KEY_FILE'])
    t.ok(
      shown.problems.some((line) => line.startsWith(name)),
      name,
    );
  t.match(JSON.parse(stderr), { error: { code: 'configuration', problems: shown.problems } });
  const text = await cli(['config', 'check'], { ISSUER_URL: 'id' });
  t.match(text, { code: 1, stdout: /^VARIABLE .*\nAddresses:\n {2}ISSUER_URL +set +id\n/, stderr: /ISSUER_URL/ });
});

t.test('no secret: passwords are masked, and of a file the path alone', async (t) => {
  const password = 'canary-of-the-password';
  const file = join(temporaryFolder(t), 'url');
  writeFileSync(file, `postgres://countersign:${password}@db/countersign\n`);
  for (const env of [
    { ...PRODUCTION, DATABASE_URL: `postgres://countersign:${password}@db/countersign` },
    { ...PRODUCTION, DATABASE_URL: `postgres://db/countersign?password=${password}` },
    { ...PRODUCTION, DATABASE_URL: `postgres//${password}` },
    { ...PRODUCTION, DATABASE_URL_FILE: file },
    { ...PRODUCTION, DATABASE_URL_FILE: file, DATABASE_URL: `mysql://countersign:${password}@db` },
    { ...PRODUCTION, TEMPLATE_URL: `https://u:${password}@templates.example.com/t.yaml` },
  ]) {
    const both = [await cli(['config', 'check', '--json'], env), await cli(['config', 'check'], env)];
    for (const { stdout, stderr } of both) t.notMatch(stdout + stderr, password);
  }
  const { of } = await check({ ...PRODUCTION, DATABASE_URL_FILE: file });
  t.same(of('DATABASE_URL'), { name: 'DATABASE_URL', group: 'Database', source: 'file', file });
  t.equal(mask('postgres://u:p@db/c?sslmode=verify-full', true), 'postgres://u:***@db/c?sslmode=verify-full');
  t.equal(mask('postgres://u@db/c', true), 'postgres://u@db/c', 'what holds no secret is shown as it is');
});

t.test('the reference says of each variable what an operator asks', async (t) => {
  for (const [name, { group, example }] of Object.entries(VARIABLES)) {
    t.ok(GROUPS.includes(group), name);
    const value = { ...Environment.properties }[name as keyof typeof VARIABLES] as unknown as { pattern?: string };
    if (value.pattern) t.match(example, new RegExp(value.pattern), `${name}: its example is valid`);
  }
});
