// On the way to PostgreSQL: who answers is verified, and what is read from files is read again at each connect.
import { chownSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import t, { type Test } from 'tap';
import { connectPostgres, type Database } from '../../src/db/connect.ts';
import { readDatabase } from '../../src/db/environment.ts';
import { makeCertificate } from '../support/certificates.ts';
import { type Cluster, startPostgres } from '../support/postgres.ts';
import { PATIENCE_MS } from '../support/until.ts';

async function asSuperuser(cluster: Cluster, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.url });
  client.on('error', () => {});
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

function connect(t: Test, values: Parameters<typeof readDatabase>[0]): Database {
  const problems: string[] = [];
  const address = readDatabase(values, problems)?.service;
  if (!address || problems.length > 0) throw new Error(problems.join());
  const database = connectPostgres({ address, queryTimeoutMs: 2000, connectTimeoutMs: PATIENCE_MS });
  t.teardown(() => database.close());
  return database;
}

const isEncrypted = async ({ db }: Database): Promise<boolean> =>
  (await sql<{ ssl: boolean }>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`.execute(db)).rows[0]?.ssl ===
  true;

t.test('TLS: to these roots, for this name, or not at all', async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const dir = t.testdir();
  const authority = makeCertificate({ commonName: 'the authority' });
  const roots = join(dir, 'roots.pem');
  writeFileSync(roots, authority.cert);
  const verified = { DATABASE_URL: cluster.url, DATABASE_CA_FILE: roots };

  await t.rejects(
    isEncrypted(connect(t, verified)),
    /does not support SSL/,
    'a server without TLS is not spoken to in the clear',
  );

  const owner = statSync(join(cluster.dir, 'password'));
  const present = async (names: string[], issuer = authority): Promise<void> => {
    const { cert, key } = makeCertificate({ commonName: 'a server', names, issuer });
    for (const [name, text] of [
      ['server.crt', cert],
      ['server.key', key],
    ] as const) {
      writeFileSync(join(cluster.dir, name), text, { mode: 0o600 });
      chownSync(join(cluster.dir, name), owner.uid, owner.gid);
    }
    await asSuperuser(
      cluster,
      `alter system set ssl_cert_file = '${cluster.dir}/server.crt'`,
      `alter system set ssl_key_file = '${cluster.dir}/server.key'`,
      'alter system set ssl = on',
      'select pg_reload_conf()',
    );
    // The postmaster reads its configuration when the signal has reached it.
    for (const end = Date.now() + 60_000; Date.now() < end; ) {
      const answered = await fingerprintOf(cluster);
      if (answered?.includes(cert.split('\n')[1] as string)) return;
    }
    throw new Error('the server did not take its certificate');
  };

  await present(['127.0.0.1']);
  t.equal(await isEncrypted(connect(t, verified)), true);
  t.equal(
    await isEncrypted(connect(t, { DATABASE_URL: `${cluster.url}?sslmode=require`, DATABASE_CA_FILE: roots })),
    true,
  );
  t.equal(await isEncrypted(connect(t, { DATABASE_URL: cluster.url })), false, 'on loopback it may be left out');
  await t.rejects(
    isEncrypted(connect(t, { DATABASE_URL: `${cluster.url}?sslmode=require` })),
    /certificate/,
    'require verifies, too: these roots are not those of Node',
  );
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  process.env['PGSSLMODE'] = 'disable';
  t.teardown(() => {
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    delete process.env['PGSSLMODE'];
  });
  await t.rejects(
    isEncrypted(connect(t, { DATABASE_URL: cluster.url, DATABASE_TLS: 'verify-full' })),
    /certificate/,
    'no variable of the environment makes it less strict',
  );

  const stays = connect(t, verified);
  t.equal(await isEncrypted(stays), true);
  await present(['db.example']);
  await t.rejects(isEncrypted(connect(t, verified)), /IP: 127\.0\.0\.1 is not in the cert/, 'another name');

  const other = makeCertificate({ commonName: 'another authority' });
  await present(['127.0.0.1'], other);
  await t.rejects(isEncrypted(connect(t, verified)), /certificate/, 'another authority');
  writeFileSync(roots, other.cert);
  await asSuperuser(
    cluster,
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'countersign'",
  );
  t.equal(await settled(() => isEncrypted(stays)), true, 'a new root file is read at the next connect');
});

/** The certificate that the server shows, as PEM. */
async function fingerprintOf(cluster: Cluster): Promise<string | undefined> {
  const { connect: connectTls } = await import('node:tls');
  const { connect: connectTcp } = await import('node:net');
  const { hostname, port } = new URL(cluster.url);
  return await new Promise((resolve) => {
    const socket = connectTcp(Number(port), hostname, () => socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])));
    socket.on('error', () => resolve(undefined));
    socket.once('data', (answer) => {
      if (answer.toString() !== 'S') {
        socket.destroy();
        return resolve(undefined);
      }
      const secure = connectTls({ socket, rejectUnauthorized: false }, () => {
        const { raw } = secure.getPeerCertificate();
        secure.destroy();
        resolve(
          raw
            .toString('base64')
            .match(/.{1,64}/g)
            ?.join('\n'),
        );
      });
      secure.on('error', () => resolve(undefined));
    });
  });
}

/** The first answer, once what was cut off has been replaced. */
async function settled<Result>(ask: () => Promise<Result>): Promise<Result> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      if (attempt > 20) throw error;
    }
  }
}

t.test('a rotated password needs no restart, and a wrong one is not printed', async (t) => {
  const cluster = await startPostgres();
  t.teardown(() => cluster.remove());
  const file = join(t.testdir(), 'password');
  await asSuperuser(cluster, "create role app login password 'first-secret'");
  writeFileSync(file, 'first-secret\n');
  const url = new URL(cluster.url);
  url.username = 'app';
  url.password = '';
  const database = connect(t, { DATABASE_URL: url.href, DATABASE_PASSWORD_FILE: file });
  const ask = async () =>
    (await sql<{ role: string }>`select current_user::text as role`.execute(database.db)).rows[0]?.role;
  const cut = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'";
  t.equal(await ask(), 'app');

  await asSuperuser(cluster, "alter role app password 'second-secret'", cut);
  const refused = await settled(async () => {
    const error = await ask().then(
      () => undefined,
      (error: Error & { code?: string }) => error,
    );
    if (error?.code !== '28P01') throw new Error(`not yet: ${error?.message}`);
    return error;
  });
  t.notMatch(`${refused.message} ${refused.stack} ${JSON.stringify(refused)}`, 'first-secret');
  writeFileSync(file, 'second-secret\n');
  t.equal(await ask(), 'app', 'read again at the next connect');

  await asSuperuser(cluster, cut);
  writeFileSync(file, '');
  await t.rejects(
    settled(async () => {
      const error = await ask().then(
        () => undefined,
        (error: Error) => error,
      );
      if (!error || !/is empty/.test(error.message)) throw new Error(`not yet: ${error?.message}`);
      throw error;
    }),
    /the password file .* is empty/,
  );
});
