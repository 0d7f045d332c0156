// The keys of trusted issuers: rotated, pasted, unreachable, and of no use.
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { createRanges } from '../../src/http/addresses.ts';
import { createEgress } from '../../src/reach/egress.ts';
import type { Answer } from '../../src/reach/stranger.ts';
import { createIssuerKeys, FETCH_EVERY_MS, KEPT_MS, RENEW_AFTER_MS } from '../../src/trusted-issuers/keys.ts';
import type { TrustedIssuer } from '../../src/trusted-issuers/store.ts';
import { createStandInKey, type StandIn, type StandInKey, startStandIn } from '../support/stand-in-issuer.ts';
import { until } from '../support/until.ts';

const allowed = createRanges(['127.0.0.1/32']);

function trusted(standIn: StandIn, more: Partial<TrustedIssuer> = {}): TrustedIssuer {
  return {
    ...{ id: 'ti_x', name: 'x', kind: 'kubernetes', issuer: standIn.url, audience: null, algorithms: ['RS256'] },
    ...{ jwks_uri: null, jwks: null, one_time: false, max_token_seconds: 3600, state: 'active', version: 1 },
    ...{ login: null, login_version: null, created_at: '', updated_at: '', ...more },
  };
}

function open() {
  const time = { now: 0 };
  const warned: object[] = [];
  const keys = createIssuerKeys({
    ask: createEgress({ allowed }),
    clock: { monotonic: () => time.now },
    log: { warn: (details) => void warned.push(details) },
  });
  return { keys, time, warned };
}

t.test(
  'keys are rotated, asked for once a minute at most, one at a time, and dropped when the issuer drops them',
  async (t) => {
    const cluster = await startStandIn(t, 'ES256');
    const { keys, time } = open();
    const issuer = trusted(cluster);
    const [first] = cluster.keys as [StandInKey];
    const many = await Promise.all(Array.from({ length: 20 }, () => keys.find(issuer, first.kid)));
    t.ok(many.every((key) => key !== undefined));
    t.equal((await cluster.asked()).length, 2, 'discovery and JWKS, once for all');
    const second = createStandInKey('ES256');
    await cluster.publish([second]);
    t.equal(await keys.find(issuer, second.kid), undefined, 'not yet: it was asked a moment ago');
    for (let index = 0; index < 20; index += 1) await keys.find(issuer, `unknown-${index}`);
    t.equal((await cluster.asked()).length, 2);
    time.now += FETCH_EVERY_MS;
    t.ok(await keys.find(issuer, second.kid), 'a minute later');
    t.equal(await keys.find(issuer, first.kid), undefined, 'the one that is gone is gone');
    t.equal((await cluster.asked()).length, 4);

    time.now += RENEW_AFTER_MS;
    t.ok(await keys.find(issuer, second.kid), 'renewed');
    t.equal((await cluster.asked()).length, 6);
    await cluster.publish([first]);
    time.now += RENEW_AFTER_MS / 2;
    t.ok(await keys.find(issuer, second.kid), 'used while it is renewed beside');
    const isDropped = async (): Promise<boolean> => {
      // So that a renewal that did not come through is followed by another.
      time.now += 1000;
      return (await keys.find(issuer, second.kid)) === undefined;
    };
    t.ok(await until(isDropped), 'a key that is dropped is not used until somebody asks for another');
  },
);

t.test('a key that its issuer dropped passes for ten minutes at most, however long nobody asked', async (t) => {
  const cluster = await startStandIn(t, 'ES256');
  const [first, second] = [cluster.keys[0] as StandInKey, createStandInKey('ES256')];
  for (const later of [RENEW_AFTER_MS, KEPT_MS - 1]) {
    const { keys, time } = open();
    await cluster.publish([first]);
    t.ok(await keys.find(trusted(cluster), first.kid));
    await cluster.publish([second]);
    time.now += later;
    t.equal(await keys.find(trusted(cluster), first.kid), undefined);
    t.ok(await keys.find(trusted(cluster), second.kid));
  }
});

t.test('nobody waits for an issuer that is asked often, and while it is away only who asks it first', async (t) => {
  const [first, second] = [createStandInKey('ES256'), createStandInKey('ES256')];
  const time = { now: 0 };
  const asked: ((status: number, key?: StandInKey) => void)[] = [];
  const ask = (): Promise<Answer> =>
    new Promise((resolve) => {
      asked.push((status, key = first) => {
        const body = JSON.stringify({ keys: [key.jwk] });
        resolve({ status, contentType: 'application/json', location: undefined, body, certificate: undefined });
      });
    });
  const keys = createIssuerKeys({ ask, clock: { monotonic: () => time.now }, log: { warn: () => {} } });
  const issuer = trusted({ url: 'https://issuer.example' } as StandIn, { jwks_uri: 'https://issuer.example/jwks' });
  const find = async (): Promise<string> => {
    const found = keys.find(issuer, first.kid).then((key) => (key ? 'found' : 'gone'));
    return await Promise.race([found, turn().then(() => 'waits')]);
  };
  const answer = async (status: number, key?: StandInKey): Promise<void> => {
    await turn();
    asked.at(-1)?.(status, key);
    await turn();
  };

  t.equal(await find(), 'waits', 'where there is nothing yet');
  await answer(200);
  time.now += RENEW_AFTER_MS / 2;
  t.same([await find(), await find()], ['found', 'found']);
  t.equal(asked.length, 2, 'it is asked beside');
  await answer(200);
  time.now += RENEW_AFTER_MS - 1;
  t.equal(await find(), 'found');
  await answer(500);
  time.now += FETCH_EVERY_MS;
  t.equal(await find(), 'found', 'older, and its issuer away');
  await answer(500);
  t.equal(asked.length, 4, 'asked again a minute later');

  time.now += RENEW_AFTER_MS;
  t.same([await find(), await find()], ['waits', 'waits'], 'that it was away long ago says nothing');
  await answer(500);
  t.equal(await find(), 'found', 'it still is');
  t.equal(asked.length, 5);
  time.now += RENEW_AFTER_MS;
  const waiting = keys.find(issuer, first.kid);
  await answer(200, second);
  t.equal(await waiting, undefined, 'it is back, and has dropped the key');
});

t.test('the last good keys are kept while the issuer is away, for six hours', async (t) => {
  const cluster = await startStandIn(t, 'ES256');
  const { keys, time, warned } = open();
  const issuer = trusted(cluster);
  const [key] = cluster.keys as [StandInKey];
  await keys.find(issuer, key.kid);
  await cluster.answer({ '*': { status: 500 } });
  time.now += KEPT_MS - 1;
  t.ok(await keys.find(issuer, key.kid));
  time.now += 1;
  await t.rejects(keys.find(issuer, key.kid), { message: /the answer is 500/ });
  t.ok(warned.length > 0, 'and the log says so');
  const looked = await keys.look(issuer);
  t.match(looked.failure, /the answer is 500/);
  t.same(looked.kids, []);
  await cluster.answer();
  await t.rejects(keys.find(issuer, key.kid), { message: /answer is 500/ }, 'within the minute nobody asks again');
  time.now += FETCH_EVERY_MS;
  t.ok(await keys.find(issuer, key.kid));
  t.equal((await keys.find(trusted(cluster, { version: 2 }), key.kid))?.algorithms[0], 'ES256', 'by other rules anew');
});

t.test('pasted keys need nobody, and a pinned jwks_uri no discovery', async (t) => {
  const [cluster, elsewhere] = [await startStandIn(t), await startStandIn(t)];
  const { keys } = open();
  const { jwk, kid } = createStandInKey('RS256');
  const pasted = trusted(cluster, { jwks: { keys: [jwk] } });
  t.ok(await keys.find(pasted, kid));
  t.equal(await keys.find(pasted, 'x'), undefined);
  t.same(await cluster.asked(), []);
  const pinned = trusted(cluster, { id: 'ti_y', jwks_uri: `${elsewhere.url}/jwks` });
  t.ok(await keys.find(pinned, elsewhere.keys[0]?.kid as string));
  t.same([await cluster.asked(), await elsewhere.asked()], [[], ['/jwks']]);
});

t.test('keys that verify nothing are left out', async (t) => {
  const cluster = await startStandIn(t);
  const { keys } = open();
  const [good] = cluster.keys as [StandInKey];
  const twin = createStandInKey('RS256', 'twin');
  const privately = createStandInKey('ES256', 'private');
  const bad: Record<string, unknown>[] = [
    twin.jwk,
    { ...createStandInKey('RS256').jwk, kid: 'twin' },
    { ...privately.privateKey.export({ format: 'jwk' }), kid: 'private' },
    { ...good.jwk, kid: 'encrypts', use: 'enc' },
    { ...good.jwk, kid: 'symmetric', alg: 'HS256' },
    { kty: 'oct', kid: 'oct', k: 'AAAA' },
    { ...good.jwk, kid: 'exponent', e: 'Aw' },
    { ...good.jwk, kid: 'short', n: (good.jwk['n'] as string).slice(0, 170) },
    { ...createStandInKey('ES256').jwk, kid: 'other-curve', alg: 'ES384' },
    { ...createStandInKey('ES256').jwk, kid: 'no-point', x: 'AA' },
    { ...good.jwk, kid: 7 },
  ];
  await cluster.publish([good], bad);
  t.same((await keys.look(trusted(cluster))).kids, [good.kid]);
  t.same((await keys.find(trusted(cluster), good.kid))?.algorithms, ['RS256'], 'bound to the algorithm that it names');
});
