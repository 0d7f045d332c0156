// The search that ends every test: it knows each kind of secret, finds each form, and looks into every sink.
import { join, relative } from 'node:path';
import t from 'tap';
import { runFiles } from '../../scripts/tap-files.ts';
import { formsOf } from '../support/canaries.ts';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import { engine, testServiceUrl } from '../support/databases.ts';
import { findSecrets, listKnown } from '../support/known-secrets.ts';
import { keepPrivateHalves } from '../support/leaks.ts';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';

const ROOT = join(import.meta.dirname, '../..');

t.test('what the suite’s own tests make is known as it comes into being, every kind of it', async (t) => {
  const sandbox = await startTestSandbox(t);
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const connection = await connectAccount(service, sandbox);
  const client = await registerClient(service, { slug: 'billing' });
  await service.call('POST', '/v1/grants', { workload: client.id, selector: { connection: connection.id } });
  const path = `/v1/connections/${connection.id}/credentials`;
  const token = await workloadToken(service, client, service.url + path);
  const handed = await service.call('GET', path, undefined, { token });
  t.equal(handed.status, 200);
  await keepPrivateHalves(service.database.db);
  await testServiceUrl(t);
  const known = listKnown();
  const names = new Set(known.map(({ name }) => name.replace(/ of (platform|is_\w+).*$/, '')));
  t.same(
    [...names].sort(),
    [
      'SecretAccessKey at STS',
      'SessionToken at STS',
      'a signature at STS',
      'a signature of a client',
      'a signature that the socket gave',
      'a signature that was answered',
      'the key-encryption key',
      'the private half',
      'the private key of a client',
      ...(engine === 'postgresql' ? ['the password of DATABASE_URL'] : []),
    ].sort(),
  );
  t.match(findSecrets(`x${token}y`)[0], /a signature that was answered/);
  t.match(findSecrets(handed.body.SecretAccessKey)[0], /SecretAccessKey/);
  t.match(findSecrets(handed.body.Token)[0], /SessionToken/);
  for (const { name, value } of known) {
    for (const form of formsOf(value).filter(({ length }) => length >= 16)) {
      const shift = form.length % 9;
      t.match(findSecrets(`${'-'.repeat(shift)}${form}-`).join(), name.slice(0, 20), `${name}: ${form.slice(0, 6)}`);
    }
  }
  t.same(findSecrets(JSON.stringify(connection)), []);
});

t.test('a secret in any sink fails the test that left it there, and in none fails nothing', async (t) => {
  const file = relative(ROOT, join(import.meta.dirname, 'leaky.ts'));
  let printed = '';
  const { failures, passed } = await runFiles([file], {
    ...{ cwd: ROOT, env: process.env, jobs: 1, timeoutSeconds: 120, print: (line) => void (printed += `${line}\n`) },
  });
  const sinks = {
    'a table': 'table notes',
    'the log': 'the log',
    'the metrics': 'the metrics',
    'a refusal': 'refusals',
    'a span': 'the spans',
    'what a process printed': 'the log',
  };
  const names = Object.keys(sinks).map((name) => `${file} > ${name} left secrets where none may be`);
  t.same(failures, names, printed);
  for (const [index, place] of Object.values(sinks).entries()) {
    const [, told = ''] = printed.split(names[index] as string);
    t.match(told.slice(0, 200), `${place}: the planted secret as`, place);
  }
  t.equal(passed, 1, 'where nothing is left, the test passes');
});
