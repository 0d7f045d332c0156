// What the environment says of PostgreSQL: TLS that verifies unless somebody says otherwise, and no parameter that is silently dropped.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readDatabase } from '../../src/db/environment.ts';
import { makeCertificate } from '../support/certificates.ts';

function read(values: Parameters<typeof readDatabase>[0]) {
  const problems: string[] = [];
  const config = readDatabase(values, problems);
  return { config, problems, service: config?.service };
}

t.test('another host is verified, this machine need not be', async (t) => {
  const tls = (values: Parameters<typeof readDatabase>[0]) => read(values).service?.tls;
  const away = 'postgres://u@db.example/x';
  t.same(tls({ DATABASE_URL: away }), { caFile: undefined }, 'a URL that says nothing is verified');
  for (const mode of ['require', 'verify-ca', 'verify-full']) {
    t.same(tls({ DATABASE_URL: `${away}?sslmode=${mode}` }), { caFile: undefined }, `${mode} is verify-full`);
    t.same(tls({ DATABASE_URL: `postgres://u@127.0.0.1/x?sslmode=${mode}` }), { caFile: undefined }, 'here, too');
  }
  for (const host of ['localhost', '127.0.0.1', '[::1]', '%2Frun%2Fpostgresql'])
    t.equal(tls({ DATABASE_URL: `postgres://u@${host}/x` }), undefined, host);
  t.equal(tls({ DATABASE_URL: away, DATABASE_TLS: 'off' }), undefined, 'explicitly');
  t.same(tls({ DATABASE_URL: 'postgres://u@localhost/x', DATABASE_TLS: 'verify-full' }), { caFile: undefined });
});

t.test('what does not verify is refused for another host, with what to do', async (t) => {
  for (const mode of ['disable', 'allow', 'prefer', 'no-verify']) {
    const { problems } = read({ DATABASE_URL: `postgres://u:hunter2@db.example/x?sslmode=${mode}` });
    t.match(problems, [new RegExp(`^DATABASE_URL: sslmode=${mode} does not verify .*verify-full.*DATABASE_TLS=off`)]);
    t.notMatch(problems.join(), 'hunter2');
    t.same(read({ DATABASE_URL: `postgres://u@127.0.0.1/x?sslmode=${mode}` }).problems, [], `${mode} on loopback`);
    t.match(
      read({
        ...{
          DATABASE_URL: 'postgres://u@localhost/x',
          MIGRATE_DATABASE_URL: `postgres://o@db.example/x?sslmode=${mode}`,
        },
      }).problems,
      [/^MIGRATE_DATABASE_URL: sslmode/],
      'the owner as well',
    );
  }
});

t.test('the parts of a URL', async (t) => {
  t.match(read({ DATABASE_URL: 'postgresql://u%40x:p%2Fw@[::1]:6432/na%20me' }).service, {
    ...{ host: '::1', port: 6432, user: 'u@x', password: 'p/w', database: 'na me', tls: undefined },
  });
  const withUser = read({ DATABASE_URL: 'postgres://u@/x?host=/run/postgresql' });
  t.match(withUser.service, { host: '/run/postgresql', user: 'u', database: 'x' });
  const without = read({ DATABASE_URL: 'postgres:///x?host=/run/postgresql' });
  t.match(without.service, { host: '/run/postgresql', database: 'x' });
  t.same([withUser.problems, without.problems], [[], []]);
});

t.test('every contradiction, by name', async (t) => {
  const dir = t.testdir();
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const roots = file('roots', makeCertificate({ commonName: 'an authority' }).cert);
  const DATABASE_URL = 'postgres://u@db.example/x';
  const cases: [Parameters<typeof readDatabase>[0], RegExp][] = [
    [{ DATABASE_URL: `${DATABASE_URL}?sslrootcert=/x` }, /sslrootcert is not read; name that file in DATABASE_CA_FILE/],
    [{ DATABASE_URL: `${DATABASE_URL}?statement_timeout=0` }, /the parameter statement_timeout is not read/],
    [{ DATABASE_URL: `${DATABASE_URL}?uselibpqcompat=true&sslmode=require` }, /the parameter uselibpqcompat/],
    [{ DATABASE_URL: `${DATABASE_URL}?sslmode=loud` }, /sslmode is verify-full or/],
    [{ DATABASE_URL: `${DATABASE_URL}?sslmode=verify-full`, DATABASE_TLS: 'off' }, /contradict/],
    [{ DATABASE_URL: 'postgres://u:a%zz@db.example/x' }, /a % that encodes nothing/],
    [
      { DATABASE_URL, DATABASE_CA_FILE: roots, DATABASE_TLS: 'off' },
      /DATABASE_CA_FILE and DATABASE_TLS=off contradict/,
    ],
    [{ DATABASE_URL, DATABASE_CA_FILE: '/nowhere' }, /^DATABASE_CA_FILE: \/nowhere holds no certificate/],
    [{ DATABASE_URL, DATABASE_CA_FILE: file('not', 'a certificate') }, /^DATABASE_CA_FILE: .* holds no certificate/],
    [{ DATABASE_URL, DATABASE_PASSWORD_FILE: '/nowhere' }, /^DATABASE_PASSWORD_FILE: .*\/nowhere cannot be read/],
    [{ DATABASE_URL, DATABASE_PASSWORD_FILE: file('empty', '\n') }, /^DATABASE_PASSWORD_FILE: .* is empty/],
    [
      { DATABASE_URL: 'postgres://u:p@db.example/x', DATABASE_PASSWORD_FILE: file('pw', 'p') },
      /^DATABASE_URL has a password, and there is a file/,
    ],
    [{ DATABASE_URL, MIGRATE_DATABASE_PASSWORD_FILE: file('pw2', 'p') }, /MIGRATE_DATABASE_URL is not: set both/],
    [{ MIGRATE: 'check' }, /^MIGRATE is for PostgreSQL/],
    [{ MIGRATE_DATABASE_URL: DATABASE_URL }, /^MIGRATE_DATABASE_URL is for PostgreSQL/],
  ];
  for (const [values, expected] of cases) {
    const { problems } = read(values);
    t.match(problems, [expected]);
    t.equal(problems.length, 1, problems.join(' | '));
  }
});
