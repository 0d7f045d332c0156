// The service looks at its own documents from outside: what it calls a fault, when it says so, and what that stops.
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { discoveryDocument, jwksDocument, PLATFORM } from '../../src/issuers/documents.ts';
import { createSelfCheck, type SelfCheck } from '../../src/issuers/self-check.ts';
import { DEFAULT_POLICY, retirement } from '../../src/keys/policy.ts';
import { revoke } from '../../src/keys/revoke.ts';
import { rotateNow } from '../../src/keys/rotate.ts';
import { standbyKey } from '../../src/keys/timeline.ts';
import type { RingView } from '../../src/keys/view.ts';
import type { Ask } from '../../src/reach/stranger.ts';
import { createKeysFixture, type KeysFixture } from '../support/keys.ts';
import { askLoopback, startTestService } from '../support/service.ts';

const urls = { issuerUrl: 'https://id.example.com', internalUrl: 'https://internal.example.com' };

interface Keys {
  keys: Record<string, unknown>[];
}

interface Fixture extends KeysFixture {
  check: SelfCheck;
  ours: RingView;
  lines: { level: number; msg: string }[];
  /** What strangers are answered from now on; an error where nobody answers. */
  outside: { keys: Keys; discovery: object } | Error;
  /** The set of keys that a replica with this view serves. */
  served(view: RingView): Keys;
  codes(): Promise<string[] | undefined>;
}

async function createFixture(t: Test): Promise<Fixture> {
  const keys = await createKeysFixture(t, { policy: DEFAULT_POLICY });
  const { clock, database } = keys;
  const ours = keys.view();
  await ours.refresh();
  const lines: Fixture['lines'] = [];
  const served = (view: RingView): Keys => jwksDocument(view.find(PLATFORM) ?? [], view.now()) as Keys;
  const sound = { keys: served(ours), discovery: discoveryDocument(urls, PLATFORM) };
  const ask: Ask = async ({ pathname }) => {
    const { outside } = fixture;
    if (outside instanceof Error) throw outside;
    const body = JSON.stringify(pathname === '/jwks' ? outside.keys : outside.discovery);
    return { status: 200, contentType: 'application/json', location: undefined, body, certificate: undefined };
  };
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const check = createSelfCheck({ urls, view: ours, db: database.db, ask, clock, log });
  const fixture: Fixture = {
    ...keys,
    ...{ check, ours, lines, outside: sound, served },
    codes: async () => {
      await check.look();
      return check.latest()?.findings.map(({ code }) => code);
    },
  };
  return fixture;
}

const reason = { ...SYSTEM, reason: 'a test' };

t.test('another replica may serve an older set or a newer one; a key that was never ours is altered', async (t) => {
  const fixture = await createFixture(t);
  const { deps, ringId, ours, clock, served, prepared } = fixture;
  const [stale, newer] = [fixture.view(), fixture.view()];
  await stale.refresh();
  t.same(await fixture.codes(), []);
  const known = served(ours);

  await rotateNow(deps, ringId, reason);
  await newer.refresh();
  fixture.outside = { ...(fixture.outside as { discovery: object }), keys: served(newer) } as Fixture['outside'];
  t.same(await fixture.codes(), [], 'a newer one, with a key that we have not read yet');

  clock.step(retirement(DEFAULT_POLICY, 'workload_token') + 1);
  await ours.refresh();
  const standby = standbyKey(ours.find(PLATFORM)?.[0]?.keys ?? [], ours.now())?.kid ?? '';
  await revoke(deps, { ring: ringId, kid: standby, acceptOutage: true }, reason);
  await ours.refresh();
  t.notOk(
    served(ours).keys.some(({ kid }) => kid === prepared.keys[0].kid),
    'key 0 is removed here',
  );
  const show = (keys: Keys): void => {
    fixture.outside = { keys, discovery: discoveryDocument(urls, PLATFORM) };
  };
  show(known);
  t.same(await fixture.codes(), [], 'an older one, with a key that is removed here');

  const [first] = known.keys;
  show({ keys: [...known.keys, { ...first, kid: 'nobody-knows' }] });
  t.same(await fixture.codes(), ['altered'], 'a kid that was never ours');
  show({ keys: known.keys.map((key, index) => (index === 0 ? { ...key, x: key['y'] } : key)) });
  t.same(await fixture.codes(), ['altered'], 'another key under a kid of ours');
  const signing = prepared.keys[1].kid;
  show({ keys: known.keys.filter(({ kid }) => kid !== signing) });
  t.same(await fixture.codes(), ['signing_key_missing'], 'every replica has the key that signs');
  fixture.outside = {
    keys: known,
    discovery: { ...discoveryDocument(urls, PLATFORM), token_endpoint: 'https://evil.example/oauth2/token' },
  };
  t.same(await fixture.codes(), ['altered'], 'an address that leads elsewhere');
});

t.test('it is logged when it changes, not each minute', async (t) => {
  const fixture = await createFixture(t);
  const sound = fixture.outside;
  const logged = async (): Promise<[number, string][]> => {
    fixture.lines.length = 0;
    for (let turn = 0; turn < 3; turn += 1) await fixture.check.look();
    return fixture.lines.map(({ level, msg }) => [level, msg]);
  };
  t.same(await logged(), [], 'all is well');
  fixture.outside = Object.assign(new Error('no'), { code: 'ECONNREFUSED' });
  t.match(await logged(), [[50, /clouds cannot use/]]);
  t.match(JSON.stringify(fixture.lines[0]), /"code":"connection_refused".*"hint":/);
  fixture.outside = sound;
  t.match(await logged(), [[30, /as they should be/]]);
});

t.test('no link is handed out to documents that a cloud cannot read', async (t) => {
  let away = false;
  const ask: Ask = async (url) => {
    if (away) throw Object.assign(new Error('no'), { code: 'CERT_HAS_EXPIRED' });
    return await askLoopback(url);
  };
  const service = await startTestService(t, {
    ask,
    env: { TEMPLATE_URL: 'https://bucket.s3.amazonaws.com/template.json' },
  });
  const { body: connection } = await service.call('POST', '/v1/connections', {
    name: 'x',
    aws: { account_id: '111122223333', permission_set: 'read-only' },
  });
  const link = () => service.call('GET', `/v1/connections/${connection.id}/link`);
  away = true;
  const refused = await link();
  t.match(refused, {
    status: 503,
    body: { code: 'issuer_unreachable', finding: 'tls_expired', hint: /Renew the certificate/, detail: /has expired/ },
  });
  t.ok(refused.headers.get('retry-after'));
  const { body: after } = await service.call('GET', `/v1/connections/${connection.id}`);
  t.equal(after.state, 'pending', 'and nothing is waited for');
  t.equal((await service.call('GET', `/v1/connections/cn_${'a'.repeat(26)}/link`)).status, 404);
  away = false;
  t.equal((await link()).status, 200);
});

t.test('what it saw last is shown to whoever may read keys', async (t) => {
  const service = await startTestService(t);
  const shown = () => service.call('GET', '/v1/service');
  for (let asked = await shown(); asked.body.documents === undefined; asked = await shown())
    t.equal(asked.body.issuer_url, service.config.issuerUrl);
  const { issuer_url, documents } = (await shown()).body;
  t.equal(issuer_url, service.config.issuerUrl);
  t.match(documents, { reached: true, checked_at: String, took_ms: Number });
  const findings = documents.findings as { code: string }[];
  t.same(
    findings.filter(({ code }) => code !== 'slow'),
    [],
    'a busy machine may be slow',
  );
  const token = await service.hostToken(['audit:read']);
  t.equal((await service.call('GET', '/v1/service', undefined, { token })).status, 403);
});
