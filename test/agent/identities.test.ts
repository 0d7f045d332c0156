// The agent as a process of whoever its platform's token, or the sign-in of a person, says that it is now.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { createCall } from '../../src/cli/call.ts';
import { createAskService } from '../../src/cli/handed.ts';
import { keepSignIn, removeSignIn } from '../../src/cli/login/kept.ts';
import type { Outside } from '../../src/cli/outside.ts';
import { REAL_TIME } from '../cli/stand-in.ts';
import { CLIENT_ID, GOOD } from '../federation/sign-ins.ts';
import { startGranted } from '../support/agent.ts';
import { askAgent, startAgentProcess } from '../support/command.ts';
import { registerClient, tempDir } from '../support/service.ts';
import { nowSeconds, startStandIn } from '../support/stand-in-issuer.ts';
import { until } from '../support/until.ts';

const SUBJECT = 'system:serviceaccount:payments:billing';

/** A service that trusts an issuer, and a workload with a grant that has an identity there. */
async function start(t: Test, kind: { kind: string; login?: object }, identity: object) {
  const issuer = await startStandIn(t);
  const granted = await startGranted(t, { env: { EGRESS_ALLOW_CIDRS: '127.0.0.1/32' } });
  const { service, workload } = granted;
  const identify = async (id: string, body: object): Promise<void> => {
    const answer = await service.call('POST', `/v1/workloads/${id}/identities`, { trusted_issuer: 'theirs', ...body });
    t.equal(answer.status, 201, JSON.stringify(answer.body));
  };
  const trusted = await service.call('POST', '/v1/trusted-issuers', { name: 'theirs', issuer: issuer.url, ...kind });
  t.equal(trusted.status, 201, JSON.stringify(trusted.body));
  await identify(workload.id, identity);
  return { ...granted, issuer, identify };
}

t.test('the token in the file is renewed: the new one is shown, and that of another finds nothing kept', async (t) => {
  const { service, workload, issuer, identify } = await start(t, { kind: 'kubernetes' }, { subject: SUBJECT });
  const file = join(tempDir(t), 'token');
  const renew = async (jti: string, sub = SUBJECT): Promise<void> =>
    writeFileSync(file, await issuer.sign({ sub, aud: [service.config.issuerUrl], jti }));
  const shown = async (): Promise<string> => {
    const { body } = await service.call('GET', `/v1/audit?kind=token.minted&workload=${workload.id}`);
    return body.items[0].details.proof_jti as string;
  };
  await renew('first');
  const env = { COUNTERSIGN_URL: service.url, COUNTERSIGN_IDENTITY_TOKEN_FILE: file };
  const agent = await startAgentProcess(t, env, [
    '--listen',
    '127.0.0.1:0',
    '--token-file',
    join(tempDir(t), 'bearer'),
  ]);
  const first = await askAgent(agent);
  t.match(first, { AccessKeyId: /^ASIA/ }, agent.stderr());
  t.equal(await shown(), 'first');
  await renew('second');
  t.equal((await askAgent(agent))['AccessKeyId'], first['AccessKeyId'], 'who it is has not changed');
  t.match(await askAgent(agent, '?duration_seconds=900'), { AccessKeyId: /^ASIA/ });
  t.equal(await shown(), 'second');
  const other = await registerClient(service, { slug: 'other' });
  await identify(other.id, { subject: 'system:serviceaccount:payments:other' });
  await renew('third', 'system:serviceaccount:payments:other');
  t.match(await askAgent(agent), { status: 404, Code: 'not_found' }, 'another, who has no grant');
});

t.test(
  'by the words of the service: a token in the file that is over decides nothing of who is granted what',
  async (t) => {
    const { service, issuer } = await start(t, { kind: 'oidc' }, { subject: SUBJECT });
    const file = join(tempDir(t), 'token');
    const env = { COUNTERSIGN_URL: service.url, COUNTERSIGN_IDENTITY_TOKEN_FILE: file };
    const ask = createAskService(createCall([], {}, { ...REAL_TIME, env } as Outside, false));
    const claims = { sub: SUBJECT, aud: [service.config.issuerUrl] };
    writeFileSync(file, await issuer.sign({ ...claims, jti: 'one' }));
    t.match(await ask({ connection: 'acme' }), { AccessKeyId: /^ASIA/ });
    const over = { code: 'identity_over', options: { status: undefined } };
    await t.rejects(ask({ connection: 'acme' }), { ...over, message: /used before/ });
    writeFileSync(file, await issuer.sign({ ...claims, jti: 'two', iat: nowSeconds() - 60, exp: nowSeconds() - 1 }));
    await t.rejects(ask({ connection: 'acme' }), { ...over, message: /expired/ });
    writeFileSync(file, await issuer.sign({ ...claims, jti: 'three', sub: 'another' }));
    await t.rejects(ask({ connection: 'acme' }), { code: 'invalid_request', options: { status: 400 } });
  },
);

t.test('a file that is empty or half written is nobody’s: what is kept stays, and is given', async (t) => {
  const { service, issuer } = await start(t, { kind: 'kubernetes' }, { subject: SUBJECT });
  const file = join(tempDir(t), 'token');
  const sign = (): Promise<string> => issuer.sign({ sub: SUBJECT, aud: [service.config.issuerUrl] });
  const whole = await sign();
  writeFileSync(file, whole);
  const env = { COUNTERSIGN_URL: service.url, COUNTERSIGN_IDENTITY_TOKEN_FILE: file };
  const argv = ['--listen', '127.0.0.1:0', '--token-file', join(tempDir(t), 'bearer'), '--hold-seconds', '1'];
  const agent = await startAgentProcess(t, env, argv);
  const first = await askAgent(agent);
  t.match(first, { AccessKeyId: /^ASIA/ }, agent.stderr());
  const halves = [whole.length / 3, whole.lastIndexOf('.'), whole.lastIndexOf('.') + 1, whole.length - 7];
  for (const text of ['', 'x', ...halves.map((length) => whole.slice(0, length))]) {
    writeFileSync(file, text);
    t.equal((await askAgent(agent))['AccessKeyId'], first['AccessKeyId'], `${text.length} characters`);
    t.match(await askAgent(agent, '?duration_seconds=900'), { status: 503, Code: 'file_unreadable' });
  }
  // The agent looks once a second at who it is.
  await delay(1500);
  writeFileSync(file, await sign());
  t.equal((await askAgent(agent))['AccessKeyId'], first['AccessKeyId']);
  t.ok(await until(async () => 'AccessKeyId' in (await askAgent(agent, '?duration_seconds=900'))), agent.stderr());
});

t.test('a person: while she is signed in, and no longer', async (t) => {
  const login = { client_id: CLIENT_ID, scopes: ['email'] };
  const { service, issuer } = await start(t, { kind: 'oidc', login }, { subject: GOOD.sub, person: true });
  const env = { COUNTERSIGN_URL: service.url, XDG_STATE_HOME: tempDir(t) };
  const signIn = async (): Promise<void> => {
    const exp = nowSeconds() + 600;
    const kept = { url: service.url, name: 'theirs', issuer: issuer.url, client_id: CLIENT_ID, subject: GOOD.sub };
    keepSignIn(env, { ...kept, id_token: await issuer.sign({ ...GOOD, exp }), expires_at: exp * 1000 });
  };
  await signIn();
  const argv = ['--listen', '127.0.0.1:0', '--token-file', join(tempDir(t), 'bearer'), '--hold-seconds', '1'];
  const agent = await startAgentProcess(t, env, argv);
  const given = (): Promise<boolean> => until(async () => 'AccessKeyId' in (await askAgent(agent)));
  t.ok(await given(), agent.stderr());
  removeSignIn(env, service.url);
  t.match(
    await askAgent(agent),
    { status: 503, Message: /nothing that says who is asking/ },
    'what was kept is nobody’s',
  );
  await signIn();
  t.ok(await given(), agent.stderr());
});
