// The seal on the whole service: what stops, what goes on, who may lift it, and what it says.
import { sql } from 'kysely';
import t from 'tap';
import { systemClock } from '../../src/clock.ts';
import { createVerifier } from '../../src/connections/verifier.ts';
import { scrape } from '../metrics/scrape.ts';
import { askSocket, call, registerClient, workloadToken } from '../support/service.ts';
import { openSealWorld } from './world.ts';
import { until } from '../support/until.ts';

t.test('sealed: nothing is minted, everything else goes on, and unsealed it mints again', async (t) => {
  const { service, token, credentials, seal, unseal, waitForVerification, minted } = await openSealWorld(t);
  const admin = await registerClient(service, { slug: 'ana', kind: 'administrators', scopes: ['workloads:read'] });
  const held = await workloadToken(service, admin, `${service.config.issuerUrl}/v1`);
  t.equal((await token()).status, 200);
  t.equal((await credentials()).status, 200);
  t.equal((await scrape(service.url)).samples.get('countersign_sessions_kept'), 1);
  t.match(await seal('a key is burnt'), {
    status: 200,
    body: { sealed: true, changed: true, sealed_by: 'host', sealed_as: 'test', reason: 'a key is burnt' },
  });
  const kept = async () => (await scrape(service.url)).samples.get('countersign_sessions_kept');
  t.ok(await until(async () => (await kept()) === 0, 60_000), 'what was fetched before leaves the memory by itself');
  const before = await minted();
  const waiting = await waitForVerification();

  for (const nth of [1, 2]) {
    const refused = await token();
    t.match(
      refused,
      {
        status: 503,
        body: {
          ...{ error: 'temporarily_unavailable', error_description: /sealed since \d{4}-\S+Z by host/ },
          ...{ code: 'sealed', hint: /service:seal.*countersign unseal/ },
        },
      },
      `token, ${nth}`,
    );
    t.match(refused.headers.get('retry-after'), /^\d+$/);
    t.notMatch(JSON.stringify(refused.body), /burnt/, 'the reason is not for callers');
  }
  const refused = await credentials();
  t.match(refused, { status: 503, body: { code: 'sealed', hint: /unseal/, Code: 'sealed', Message: /unseal/ } });
  t.match(refused.headers.get('retry-after'), /^\d+$/);
  for (const capability of ['tokens', 'broker']) {
    const { status, body } = await call(service.url, 'GET', `/readyz?capability=${capability}`);
    t.match({ status, body }, { status: 503, body: { reason: /^sealed since \d{4}-\S+Z by host$/ } });
  }
  for (const path of ['/readyz', '/readyz?capability=admin', '/jwks', '/.well-known/openid-configuration'])
    t.equal((await call(service.url, 'GET', path)).status, 200, path);
  t.equal((await service.call('GET', '/v1/workloads', undefined, { token: held })).status, 200, 'a token held');
  t.equal((await service.call('POST', '/v1/keys/platform/rotate', { now: true })).status, 200, 'keys rotate');
  const fromHost = await askSocket(service.config.socketPath, { as: 'ben', reason: 'drill' });
  t.equal(fromHost.status, 200, 'the socket still gives tokens');
  t.match(await service.call('GET', '/v1/service'), { status: 200, body: { sealed: true, reason: 'a key is burnt' } });
  t.match(await seal('again'), { status: 200, body: { sealed: true, changed: false, reason: 'a key is burnt' } });

  const gauge = async () => (await scrape(service.url)).samples.get('countersign_sealed');
  t.ok(await until(async () => (await gauge()) === 1), 'the metrics say so');
  const shown = async () => (await service.call('GET', `/v1/connections/${waiting}`)).body.verification;
  const nobody = () => Promise.reject(new Error('asked while sealed'));
  const verifier = createVerifier({
    ...{ db: service.database.db, clock: systemClock, log: { error: () => {} }, act: nobody },
    readClock: async () => Date.now() + 60_000,
    ...{ issuerUrl: service.config.issuerUrl, mintWebIdentityToken: nobody, recordIntent: nobody },
    sts: { assumeRoleWithWebIdentity: nobody, getCallerIdentity: nobody },
  });
  t.equal(await verifier.runOnce(), 0, 'a verifier that looks asks nobody');
  t.match(await shown(), { attempts: 0, last_code: null });
  t.equal(await minted(), before, 'nothing was minted');

  t.match(await unseal(), { status: 200, body: { sealed: false, changed: true } });
  t.match(await unseal(), { status: 200, body: { sealed: false, changed: false } });
  t.equal((await token()).status, 200);
  t.equal((await credentials()).status, 200);
  t.ok(await until(async () => (await shown())?.attempts > 0, 90_000), 'verification goes on by itself');
  t.ok(await until(async () => (await gauge()) === 0), 'the metrics say so');
  const rows = await service.call('GET', '/v1/audit?kind=service.sealed');
  t.match(rows.body.items, [{ actor: 'host', details: { as: 'test', reason: 'a key is burnt' } }]);
  t.match((await service.call('GET', '/v1/audit?kind=service.unsealed')).body.items, [
    { details: { reason: 'INC-42' } },
  ]);
});

t.test('no session of before a seal or a suspension is given after it, though nobody asked meanwhile', async (t) => {
  const { service, credentials, seal, unseal } = await openSealWorld(t);
  const session = async () => (await credentials()).body.AccessKeyId as string;
  const first = await session();
  t.match(first, /^ASIA/);
  t.equal(await session(), first, 'kept');
  await seal();
  await unseal();
  const second = await session();
  t.match(second, /^ASIA/);
  t.not(second, first, 'unsealed');
  const { items } = (await service.call('GET', '/v1/workloads?limit=100')).body;
  const { id } = items.find(({ slug }: { slug: string }) => slug === 'billing');
  for (const state of ['suspended', 'active'])
    t.equal((await service.call('PATCH', `/v1/workloads/${id}`, { state })).status, 200, state);
  const third = await session();
  t.match(third, /^ASIA/);
  t.notOk([first, second].includes(third), 'resumed');
});

t.test('before its migration has run: not sealed, and a seal says what to run', async (t) => {
  const { service, token, credentials, seal } = await openSealWorld(t);
  await sql`alter table policy_epoch drop column seal cascade`.execute(service.database.db);
  t.equal((await token()).status, 200);
  t.equal((await credentials()).status, 200);
  t.match(await service.call('GET', '/v1/service'), { status: 200, body: { sealed: false } });
  t.match(await seal(), { status: 409, body: { code: 'migration_missing', hint: /countersign migrate/ } });
  t.equal((await call(service.url, 'GET', '/readyz?capability=tokens')).status, 200);
});

t.test('sealing takes a reason, from whoever it is', async (t) => {
  const { service } = await openSealWorld(t);
  const { body } = await askSocket(service.config.socketPath, { as: 'ben' });
  for (const what of ['seal', 'unseal']) {
    t.match(await service.call('POST', `/v1/service/${what}`, undefined, { token: body.access_token }), {
      status: 400,
      body: { code: 'reason_required', hint: /--reason/ },
    });
  }
  t.match(await service.call('GET', '/v1/service'), { body: { sealed: false } });
});
