// The command on a real service: an issuer is trusted, a workload gets an identity, and its platform's token gets it a token.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import t from 'tap';
import { cli, temporaryFolder } from '../cli/stand-in.ts';
import { startStandIn } from '../support/stand-in-issuer.ts';
import { openFederation } from './world.ts';

const SUBJECT = 'system:serviceaccount:payments:billing';

t.test('from a trusted issuer to a token, by the command alone', async (t) => {
  const cluster = await startStandIn(t);
  const { service, register } = await openFederation(t);
  const { issuerUrl } = service.config;
  const billing = await register('billing');
  const folder = temporaryFolder(t);
  const operator = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: await service.hostToken() };
  const run = async (line: string) => {
    const ended = await cli([...line.split(' '), '--json'], operator);
    t.equal(ended.code, 0, `${line}: ${ended.stderr}`);
    return JSON.parse(ended.stdout);
  };
  await run(`trusted-issuer create cluster --kind kubernetes --issuer ${cluster.url}`);
  t.match(await run('trusted-issuer keys cluster'), { kids: [cluster.keys[0]?.kid] });
  t.match(await run('trusted-issuer list'), { items: [{ name: 'cluster', warnings: [{ code: 'not_https' }] }] });
  const uid = '--claim /kubernetes.io/serviceaccount/uid=sa-1';
  const added = await run(`workload identity add billing --issuer cluster --subject ${SUBJECT} ${uid} --report-only`);
  t.match(added, { report_only: true, claims: { '/kubernetes.io/serviceaccount/uid': 'sa-1' }, warnings: undefined });

  const file = join(folder, 'token');
  const claims = { sub: SUBJECT, aud: issuerUrl, 'kubernetes.io': { serviceaccount: { uid: 'sa-1' } } };
  writeFileSync(file, `${await cluster.sign(claims)}\n`);
  const pod = { COUNTERSIGN_URL: service.url, COUNTERSIGN_IDENTITY_TOKEN_FILE: file };
  const ask = (env: Record<string, string>) => cli(['token', '--resource', `${issuerUrl}/v1/credentials`], env);
  t.match(await ask(pod), { code: 1, stderr: /no workload has this identity/ }, 'while it only reports');
  await run(`workload identity enforce billing ${added.id}`);
  const given = await ask(pod);
  t.equal(given.code, 0, given.stderr);
  t.equal(decodeJwt(given.stdout.trim()).sub, billing.id);
  const inline = { COUNTERSIGN_URL: service.url, COUNTERSIGN_IDENTITY_TOKEN: await cluster.sign(claims) };
  t.equal((await ask(inline)).code, 0, 'from the environment');
  t.match(await run('workload set-outlive billing 60'), { max_outlive_seconds: 60 });
  t.match(await run('workload identity list billing'), { items: [{ id: added.id, report_only: false }] });
  await run('trusted-issuer suspend cluster');
  t.match(await ask(pod), { code: 1, stderr: /subject token was refused/ });
  t.match(await run('trusted-issuer show cluster'), { state: 'suspended' });
  await run(`workload identity delete billing ${added.id}`);
  await run('trusted-issuer delete cluster');

  const both = { ...pod, COUNTERSIGN_CLIENT_ID: billing.id, COUNTERSIGN_PRIVATE_KEY_FILE: 'billing.pem' };
  t.match(await ask(both), { code: 2, stderr: /one way/ });
  t.match(await ask({ ...pod, COUNTERSIGN_IDENTITY_TOKEN: 'x' }), { code: 2, stderr: /both set/ });
  t.match(await ask({ COUNTERSIGN_IDENTITY_TOKEN: 'x' }), { code: 2, stderr: /COUNTERSIGN_URL, which is not set/ });
});

t.test('from the company’s issuer to people, by the command alone', async (t) => {
  const { service } = await openFederation(t);
  const operator = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: await service.hostToken() };
  const run = async (line: string, ...more: string[]) => {
    const ended = await cli([...line.split(' '), ...more], operator);
    t.equal(ended.code, 0, `${line}: ${ended.stderr}`);
    return ended.stdout;
  };
  const issuer = 'https://login.acme.example';
  const created = await run(
    `trusted-issuer create acme --kind oidc --issuer ${issuer} --login-client-id command --login-scope email --json`,
  );
  t.match(JSON.parse(created), { login: { client_id: 'command', scopes: ['openid', 'email'] } });
  t.match(await run('trusted-issuer show acme'), /login +command \(openid email\)/);
  await run('administrator create ana --scope workloads:read');
  await run('workload create laptops');
  const hers = await run(
    'administrator identity add ana --issuer acme --subject 00u1ana --claim hd=acme.example --json',
  );
  const { id } = JSON.parse(hers) as { id: string };
  t.match(await run('administrator identity list ana'), new RegExp(`${id} .*a person .*lets in .*00u1ana`));
  await run('workload identity add laptops --issuer acme --subject 00u1ana --person');
  t.match(await run('workload identity list laptops'), /a person/);
  t.match(JSON.parse(await run(`administrator identity report ana ${id} --json`)), { report_only: true });
  t.match(JSON.parse(await run(`administrator identity enforce ana ${id} --json`)), { report_only: false });
  t.match(await run(`administrator identity delete ana ${id}`), /deleted pi_/);
  const half = await cli(['trusted-issuer', 'update', 'acme', '--login-scope', 'email'], operator);
  t.match(half, { code: 2, stderr: /goes with --login-client-id/ });
  t.match(JSON.parse(await run('trusted-issuer update acme --no-login --json')), { login: null });
});
