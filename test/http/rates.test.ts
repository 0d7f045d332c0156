// Rates: what one client may ask, what one address may fail, and that nobody pays for another's flood.
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import t from 'tap';
import { createLimits, createRate } from '../../src/http/rates.ts';
import { steppedClock } from '../support/keys.ts';
import {
  type Answer,
  assertion,
  postToken,
  registerClient,
  startTestService,
  type TestClient,
  type TestService,
  tokenForm,
  workloadToken,
} from '../support/service.ts';

t.test('a rate is kept, four seconds of it may come at once, and it fills again', (t) => {
  const clock = steppedClock();
  const rate = createRate(10, clock);
  const take = (count: number): number =>
    Array.from({ length: count }, () => rate.take('a')).filter((s) => s === undefined).length;
  t.equal(take(100), 40);
  t.equal(rate.wait('a'), 1);
  t.equal(rate.wait('b'), undefined, 'another is another');
  clock.step(500);
  t.equal(take(100), 5);
  clock.step(60_000);
  t.equal(take(100), 40, 'no more than that is saved up');
  t.end();
});

t.test('so many are remembered, the least recently seen are not', (t) => {
  const rate = createRate(1, steppedClock(), 100);
  for (let count = 0; count < 10; count += 1) rate.take('a');
  t.ok(rate.wait('a'));
  for (let index = 0; index < 100; index += 1) rate.take(`b${index}`);
  t.equal(rate.wait('a'), undefined);
  t.end();
});

t.test('failures of an IPv6 network are those of one caller', (t) => {
  const limits = createLimits({ perClient: 1, failuresPerAddress: 1 }, steppedClock());
  for (let index = 1; index <= 5; index += 1) limits.failed(`2001:db8:1:2::${index}`);
  t.throws(() => limits.admit('2001:db8:1:2:ffff::9'), { code: 'rate_limited' });
  t.doesNotThrow(() => limits.admit('2001:db8:1:3::1'));
  t.end();
});

t.test('who asks where to sign in is counted by address, and apart from who fails', (t) => {
  const limits = createLimits({ perClient: 1, failuresPerAddress: 1 }, steppedClock());
  for (let index = 1; index <= 4; index += 1) limits.ask('192.0.2.1');
  t.throws(() => limits.ask('192.0.2.1'), { code: 'rate_limited', options: { retryAfter: 1 } });
  t.doesNotThrow(() => limits.ask('192.0.2.2'));
  t.doesNotThrow(() => limits.admit('192.0.2.1'), 'it has failed at nothing');
  t.end();
});

const resource = (service: TestService): string => `${service.config.issuerUrl}/v1`;

async function askToken(service: TestService, client: TestClient, form?: Record<string, string>): Promise<Answer> {
  return await postToken(
    service.url,
    form ?? tokenForm(await assertion(service.config.issuerUrl, client), resource(service)),
  );
}

const inTurn = async <T>(count: number, ask: () => Promise<T>): Promise<T[]> => {
  const answers: T[] = [];
  for (let index = 0; index < count; index += 1) answers.push(await ask());
  return answers;
};

/** Of `count` answers at one moment, the first eight say so: four seconds of two a second. */
const eightOf = (count: number, status: number): number[] =>
  Array.from({ length: count }, (_, index) => (index < 8 ? status : 429));

t.test('a client that asks too often is told so, on record, and nobody else is', async (t) => {
  const pace = steppedClock();
  const service = await startTestService(t, { pace, env: { RATE_LIMIT_PER_CLIENT: '2' } });
  const [busy, calm] = [
    await registerClient(service, { slug: 'busy' }),
    await registerClient(service, { slug: 'calm' }),
  ];
  const token = await workloadToken(service, busy, resource(service));
  const answers = await Promise.all(Array.from({ length: 30 }, () => askToken(service, busy)));
  const refused = answers.filter(({ status }) => status !== 200);
  t.equal(refused.length, 23, 'seven are left of eight');
  for (const { status, body, headers } of refused) {
    t.match(
      { status, body },
      {
        status: 429,
        body: { error: 'rate_limited', error_description: /more than 2 requests a second.*RATE_LIMIT_PER_CLIENT/ },
      },
    );
    t.match(headers.get('retry-after'), /^[1-9]$/);
    t.equal(headers.get('cache-control'), 'no-store');
  }
  // With the token that it has, too: a client's requests are one count, and it is no other's.
  const whoami = await service.call('GET', '/v1/whoami', undefined, { token });
  t.match(whoami, { status: 429, body: { code: 'rate_limited', hint: /RATE_LIMIT_PER_CLIENT/ } });
  t.match(whoami.headers.get('content-type'), /^application\/problem\+json/);
  t.equal(whoami.headers.get('retry-after'), '1');
  pace.step(60_000);
  const elsewhere = `/v1/connections/cn_${'a'.repeat(26)}/credentials`;
  const wrong = await inTurn(9, () => service.call('GET', elsewhere, undefined, { token }));
  t.same(
    wrong.map(({ status }) => status),
    eightOf(9, 401),
  );
  t.match(
    wrong.at(-1)?.body,
    { code: 'rate_limited', Code: 'rate_limited', Message: /RATE_LIMIT/ },
    'a token shown where it is not for is a request as well',
  );
  t.equal((await askToken(service, calm)).status, 200, 'another client');
  for (const path of ['/jwks', '/.well-known/openid-configuration', '/livez', '/readyz'])
    t.not((await fetch(service.url + path)).status, 429, path);
  const { body: audit } = await service.call('GET', `/v1/audit?actor=${busy.id}&kind=token.refused`);
  t.match(audit.items[0], { actor: busy.id, details: { code: 'rate_limited' } });
  t.equal((await askToken(service, busy)).status, 429);
  pace.step(500);
  t.equal((await askToken(service, busy)).status, 200, 'and later it is served again');
});

/** From an address of its own; undefined where the body is of no interest. */
async function postFrom(
  service: TestService,
  localAddress: string,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<number> {
  const sent = request(`${service.url}/oauth2/token`, {
    ...{ method: 'POST', localAddress, agent: new Agent({ maxSockets: 8 }) },
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });
  sent.end(new URLSearchParams(form).toString());
  const [answer] = await once(sent, 'response');
  answer.resume();
  return answer.statusCode as number;
}

const noKey = async (service: TestService): Promise<Record<string, string>> =>
  tokenForm(
    `${(await assertion(service.config.issuerUrl, await strangerOf(service))).slice(0, -8)}AAAAAAAA`,
    resource(service),
  );

let registered: TestClient | undefined;
async function strangerOf(service: TestService): Promise<TestClient> {
  return (registered ??= await registerClient(service, { slug: 'stranger' }));
}

t.test('an address that fails too often is refused before anything is verified, and no other address is', async (t) => {
  const service = await startTestService(t, {
    ...{ pace: steppedClock(), env: { RATE_LIMIT_FAILURES_PER_ADDRESS: '2' } },
  });
  const good = await registerClient(service, { slug: 'good' });
  const bad = await noKey(service);
  t.same(await inTurn(20, () => postFrom(service, '127.0.0.9', bad)), eightOf(20, 401));
  const right = async (): Promise<Record<string, string>> =>
    tokenForm(await assertion(service.config.issuerUrl, good), resource(service));
  t.equal(await postFrom(service, '127.0.0.9', await right()), 429, 'the address, whoever it says it is');
  t.equal(await postFrom(service, '127.0.0.8', await right()), 200, 'the same client elsewhere');
  const spoofed = await inTurn(20, () =>
    postFrom(service, '127.0.0.7', bad, {
      'x-forwarded-for': `192.0.2.${Math.ceil(Math.random() * 250)}`,
      forwarded: 'for=192.0.2.1',
    }),
  );
  t.same(spoofed, eightOf(20, 401), 'a header makes nobody another');
  const bearers = await inTurn(20, () => service.call('GET', '/v1/whoami', undefined, { token: 'no.good.token' }));
  t.same(
    bearers.map(({ status }) => status),
    eightOf(20, 401),
    'bearer tokens as well',
  );
  t.match(bearers.at(-1)?.body, { code: 'rate_limited', hint: /TRUST_PROXY/ });
  t.not((await fetch(`${service.url}/jwks`)).status, 429, 'documents are for everybody');
});

t.test('who is known and shows a good token in the wrong place is no stranger', async (t) => {
  const service = await startTestService(t, {
    ...{ pace: steppedClock(), env: { RATE_LIMIT_FAILURES_PER_ADDRESS: '2' } },
  });
  const client = await registerClient(service, { slug: 'billing' });
  const create = async (account_id: string, reference: string) => {
    const aws = { account_id, permission_set: 'read-only' };
    const { body } = await service.call('POST', '/v1/connections', { name: reference, reference, aws });
    const { id } = body as { id: string };
    await service.database.db.updateTable('connections').set({ state: 'active' }).where('id', '=', id).execute();
    await service.call('POST', '/v1/grants', { workload: client.id, selector: { connection: id } });
    return id;
  };
  const own = await create('111122223333', 'own');
  await create('444455556666', 'other');
  const token = await workloadToken(service, client, `${resource(service)}/connections/${own}/credentials`);
  const ask = (at: string) => service.call('GET', `/v1/connections/${at}/credentials`, undefined, { token });
  const answers = await inTurn(20, () => ask('other'));
  t.same(
    answers.map(({ status, body }) => [status, body.code]),
    Array.from({ length: 20 }, () => [401, 'invalid_token']),
  );
});

t.test('behind a proxy that is believed, callers are told apart by what it says of them', async (t) => {
  const service = await startTestService(t, {
    pace: steppedClock(),
    env: { RATE_LIMIT_FAILURES_PER_ADDRESS: '2', TRUST_PROXY: '127.0.0.7/32,192.0.2.200' },
  });
  registered = undefined;
  const bad = await noKey(service);
  const says = (address: string) => ({ 'x-forwarded-for': address });
  const one = await inTurn(20, () => postFrom(service, '127.0.0.7', bad, says('192.0.2.1')));
  t.same(one, eightOf(20, 401));
  t.equal(await postFrom(service, '127.0.0.7', bad, says('192.0.2.1:51324')), 429, 'from another port');
  const twoProxies = says('192.0.2.1:51324, 192.0.2.200:4711');
  t.equal(
    await postFrom(service, '127.0.0.7', bad, twoProxies),
    429,
    'and behind a second proxy, which has a port, too',
  );
  t.equal(await postFrom(service, '127.0.0.7', bad, says('192.0.2.2')), 401, 'another caller');
  t.equal(
    await postFrom(service, '127.0.0.7', bad, says('192.0.2.77, 192.0.2.1')),
    429,
    'what the caller said of itself, before the proxy, is not believed',
  );
  t.equal(await postFrom(service, '127.0.0.6', bad, says('192.0.2.1')), 401, 'nor what somebody says who is no proxy');
});

t.test('a flood of one caller does not keep another waiting', async (t) => {
  const service = await startTestService(t, {
    env: { RATE_LIMIT_PER_CLIENT: '5', RATE_LIMIT_FAILURES_PER_ADDRESS: '5' },
  });
  registered = undefined;
  const [busy, calm] = [
    await registerClient(service, { slug: 'busy' }),
    await registerClient(service, { slug: 'calm' }),
  ];
  const bad = await noKey(service);
  let stop = false;
  const seen: Record<number, number> = {};
  const flood = Array.from({ length: 16 }, async (_, index) => {
    const form = tokenForm(await assertion(service.config.issuerUrl, busy), resource(service));
    while (!stop) {
      const status =
        index % 2 ? await postFrom(service, '127.0.0.9', bad) : (await askToken(service, busy, form)).status;
      seen[status] = (seen[status] ?? 0) + 1;
    }
  });
  const waited: number[] = [];
  for (let count = 0; count < 20; count += 1) {
    const began = performance.now();
    t.equal((await askToken(service, calm)).status, 200);
    waited.push(performance.now() - began);
  }
  stop = true;
  await Promise.all(flood);
  t.ok((seen[429] ?? 0) > 100, `a flood: ${JSON.stringify(seen)}`);
  t.ok(Math.max(...waited) < 10_000, `at most ${Math.round(Math.max(...waited))} ms`);
});
