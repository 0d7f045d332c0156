// What strangers are given before a standby signs: the key to the letter, or a refusal by name.
import t from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { jwksDocument } from '../../src/issuers/documents.ts';
import { createServedCheck } from '../../src/issuers/served-check.ts';
import { publishedJwk } from '../../src/keys/algorithms.ts';
import { LOOPBACK_POLICY } from '../../src/keys/policy.ts';
import { revoke } from '../../src/keys/revoke.ts';
import { rotateDue, rotateNow } from '../../src/keys/rotate.ts';
import { listDueRings } from '../../src/keys/store.ts';
import { activeKey, standbyKey } from '../../src/keys/timeline.ts';
import type { Answer, Ask } from '../../src/reach/stranger.ts';
import { createKeysFixture } from '../support/keys.ts';

const ISSUER = 'https://id.example.com';

const answer = (body: unknown, more: Partial<Answer> = {}): Answer => ({
  ...{ status: 200, contentType: 'application/json', location: undefined, certificate: undefined },
  body: JSON.stringify(body),
  ...more,
});

t.test('a standby signs only where strangers are given that very key', async (t) => {
  const { deps, ringId, ring, clock, database } = await createKeysFixture(t);
  let ask: Ask = async () => answer({});
  const asked: string[] = [];
  const served = createServedCheck({
    ...{ issuerUrl: ISSUER, clock },
    ask: (url) => {
      asked.push(url.href);
      return ask(url);
    },
  });
  const checked = { ...deps, checks: [served], served };
  const before = await ring();
  const now = clock.database();
  const jwk = (key = standbyKey(before.keys, now), more: object = {}): object =>
    key ? { ...publishedJwk(before.algorithm, key.kid, key.public), ...more } : {};
  const active = activeKey(before.keys, now);
  const standby = standbyKey(before.keys, now);
  const foreign = (await createKeysFixture(t)).prepared.keys[0];

  const refused: [string, Ask, object][] = [
    ['an old set', async () => answer({ keys: [jwk(active)] }), { detail: /lacks/ }],
    ['another key under its kid', async () => answer({ keys: [jwk(active), { ...jwk(), x: 'A'.repeat(43) }] }), {}],
    ['another algorithm', async () => answer({ keys: [jwk(active), jwk(standby, { alg: 'RS256' })] }), {}],
    ['another use', async () => answer({ keys: [jwk(active), jwk(standby, { use: 'enc' })] }), {}],
    ['a member more', async () => answer({ keys: [jwk(active), jwk(standby, { key_ops: ['verify'] })] }), {}],
    ['twice', async () => answer({ keys: [jwk(active), jwk(), jwk()] }), { detail: /more than once/ }],
    ['without the key that signs', async () => answer({ keys: [jwk()] }), {}],
    ['of somebody else', async () => answer({ keys: [{ ...jwk(), kid: foreign.kid }] }), {}],
    ['no list', async () => answer({ keys: null }), {}],
    ['nulls', async () => answer({ keys: [null, 1, 'x'] }), {}],
    ['an error', async () => answer({}, { status: 503 }), { finding: 'status_unexpected' }],
    ['a page', async () => answer({}, { contentType: 'text/html' }), { finding: 'content_type_wrong' }],
    [
      'nobody there',
      () => Promise.reject(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })),
      { finding: 'connection_refused' },
    ],
  ];
  for (const [name, stand, more] of refused) {
    ask = stand;
    const { finding } = more as { finding?: string };
    await t.rejects(
      rotateNow(checked, ringId, SYSTEM),
      {
        code: 'standby_not_served',
        options: { hint: /\S/, retryAfter: 60, extra: { url: `${ISSUER}/jwks`, ...(finding ? { finding } : {}) } },
      },
      name,
    );
  }
  t.same(await ring(), before, 'nothing was done');
  clock.step(LOOPBACK_POLICY.period * 2);
  t.equal(await rotateDue(checked, ringId, SYSTEM), undefined, 'nor by the clock');
  t.same(await listDueRings(database.db, clock.database(), 1), [], 'the queue looks again later');

  ask = async () => answer(jwksDocument([before], now));
  t.equal((await rotateNow(checked, ringId, SYSTEM)).kid, standby?.kid);
  t.same([...new Set(asked)], [`${ISSUER}/jwks`]);

  const gone = async (): Promise<string> => activeKey((await ring()).keys, clock.database())?.kid as string;
  const input = { ring: ringId, acceptOutage: true };
  t.match(
    await revoke(checked, { ...input, kid: await gone() }, SYSTEM),
    { was: 'active', successor_served: false },
    'a revocation does not wait, and says so',
  );
  ask = async () => answer(jwksDocument([await ring()], clock.database()));
  t.match(await revoke(checked, { ...input, kid: await gone() }, SYSTEM), { was: 'active', successor_served: true });
});
