// The API of static publishing: targets as acts, one publisher at a time, what is on record, and where a pass starts.
import t from 'tap';
import { registerClient, workloadToken } from '../support/service.ts';
import { openPublishingWorld } from './world.ts';

const TARGETS = '/v1/publishing/targets';
const TO = 's3://documents';

interface Shown {
  issuer: string;
  documents: { document: string; path: string; version: string; body?: string; kids?: string[] }[];
}

async function openApiWorld(t: Parameters<typeof openPublishingWorld>[0]) {
  const world = await openPublishingWorld(t);
  const { service } = world;
  const id = await world.turnOn(TO);
  const post = (what: string, body: object) => service.call('POST', `${TARGETS}/${id}/${what}`, body);
  const read = async (query = '') => {
    const { status, body } = await service.call('GET', `${TARGETS}/${id}/documents${query}`);
    t.equal(status, 200);
    return body as { since: string; total?: number; items: Shown[]; next_cursor?: string };
  };
  /** Reports everything that a page names as placed. */
  const report = async (epoch: number, items: Shown[], more: object = {}) =>
    await post('placements', {
      epoch,
      documents: items.flatMap(({ issuer, documents }) =>
        documents.map(({ document, version, kids }) => ({
          ...{ issuer, document, version, tag: `"${version}"` },
          ...(kids ? { kids, ...more } : {}),
        })),
      ),
    });
  const lease = async (holder = 'one', more: object = {}) => await post('lease', { holder, ...more });
  return { ...world, id, post, read, report, lease };
}

t.test('turned on and off by somebody with a reason, once, on record', async (t) => {
  const { service, turnOn, id } = await openApiWorld(t);
  t.match(await service.call('POST', TARGETS, { target: TO }), { status: 409, body: { code: 'publishing_on' } });
  const robot = await registerClient(service, { slug: 'robot', scopes: ['keys:rotate'] });
  const token = await workloadToken(service, robot, `${service.config.issuerUrl}/v1`, 'keys:rotate');
  const unsaid = await service.call('POST', TARGETS, { target: '/srv/id' }, { token });
  t.match(unsaid, { status: 400, body: { code: 'reason_required' } });
  t.equal((await service.call('POST', `${TARGETS}/${id}/end`)).status, 200);
  t.match(await service.call('POST', `${TARGETS}/${id}/end`), { status: 409, body: { code: 'publishing_off' } });
  t.match(await service.call('GET', `${TARGETS}/${id}/documents`), { status: 409, body: { code: 'publishing_off' } });
  t.not(await turnOn(TO), id, 'turned on anew it is another');
  const { items } = (await service.call('GET', TARGETS)).body;
  t.match(items, [{ target: TO }, { id, target: TO, ended_at: String, reason: 'a test', actor: 'host' }]);
  const rows = await service.call('GET', '/v1/audit?limit=50');
  const kinds = rows.body.items.map((row: { kind: string }) => row.kind);
  t.same(
    kinds.filter((kind: string) => kind.startsWith('publishing.')),
    ['publishing.turned_on', 'publishing.turned_off', 'publishing.turned_on'],
  );
});

t.test('one publisher at a time; one that was followed by another reports nothing', async (t) => {
  const { service, read, report, lease, post } = await openApiWorld(t);
  const first = (await lease()).body.epoch;
  t.match(await lease('two'), {
    ...{ status: 409, body: { code: 'publishing_leased', detail: /^one publishes/, until: String } },
  });
  t.equal((await lease('one', { epoch: first })).body.epoch, first, 'renewed');
  await lease('one', { epoch: first, release: true });
  const second = (await lease('two')).body.epoch;
  t.not(second, first);
  const { items, since } = await read();
  t.match(await report(first, items), { status: 409, body: { code: 'publishing_lease_lost' } });
  t.match(await post('passes', { epoch: first, since }), { status: 409, body: { code: 'publishing_lease_lost' } });
  const { db } = service.database;
  t.same(await db.selectFrom('placements').selectAll().execute(), []);
  t.same(await db.selectFrom('placed_documents').selectAll().execute(), []);
  t.equal((await report(second, items)).status, 200);
});

t.test('a key is placed once, and again where something else had stood there; only keys of that issuer', async (t) => {
  const { service, read, report, lease, connect } = await openApiWorld(t);
  await connect('Acme');
  const { epoch } = (await lease()).body;
  const { items } = await read();
  t.match(await report(epoch, items), { status: 200, body: { placed: 4, withdrawn: 0 } });
  t.match(await report(epoch, items), { status: 200, body: { placed: 0, withdrawn: 0 } });
  t.match(await report(epoch, items.slice(0, 1), { anew: true }), { status: 200, body: { placed: 2 } });
  const [one, other] = items as [Shown, Shown];
  const wrong = [{ ...one, documents: other.documents }];
  const before = await service.database.db.selectFrom('placements').selectAll().execute();
  t.match(await report(epoch, wrong), { status: 400, body: { code: 'invalid_request', hint: /\S/ } });
  const nobody = { ...one, issuer: `is_${'a'.repeat(26)}`, documents: one.documents.slice(0, 1) };
  t.match(await report(epoch, [nobody]), { status: 400, body: { code: 'invalid_request' } }, 'of no issuer of ours');
  t.match(await report(epoch, [one, one]), { status: 400, body: { code: 'invalid_request' } }, 'twice in one report');
  t.same(await service.database.db.selectFrom('placements').selectAll().execute(), before);
  t.ok(
    (await read()).items.every(({ documents }) => documents.every(({ body }) => body === undefined)),
    'it stands',
  );
});

t.test('a revoked key is asked for first, until the copy is on record without it', async (t) => {
  const { service, read, report, lease, connect } = await openApiWorld(t);
  const { issuer } = await connect('Acme');
  const { epoch } = (await lease()).body;
  await report(epoch, (await read()).items);
  const kid = (await service.call('GET', `/v1/keys/${issuer}`)).body.items[0].keys[0].kid as string;
  const stale = await read(`?issuer=${issuer}`);
  const revoked = await service.call('POST', `/v1/keys/${issuer}/revoke`, { kid, accept_outage: true });
  t.match(revoked.body, { published_to: [TO] });
  t.same(
    (await read('?revoked=true')).items.map((item) => item.issuer),
    [issuer],
  );
  t.match(await report(epoch, stale.items), { body: { withdrawn: 0 } }, 'a copy with it proves nothing');
  const { items } = await read('?revoked=true');
  t.notOk(items[0]?.documents[0]?.body?.includes(kid));
  t.match(await report(epoch, items), { body: { withdrawn: 1 } });
  t.same((await read('?revoked=true')).items, []);
  const ring = (await service.call('GET', `/v1/keys/${issuer}`)).body.items[0];
  t.match(
    ring.keys.find((key: { state: string }) => key.state === 'standby'),
    { placed_at: String },
  );
});

t.test('a pass starts where the one before it said: what changed since, by a change or by time', async (t) => {
  const { service, read, post, lease, connect } = await openApiWorld(t);
  const { issuer } = await connect('Acme');
  await connect('Beta');
  const { epoch } = (await lease()).body;
  const all = await read('?limit=1');
  t.match(all, { total: 3, items: { length: 1 }, next_cursor: String });
  t.match(await read(`?limit=200&cursor=${all.next_cursor}`), { items: { length: 2 }, total: undefined });
  t.equal((await post('passes', { epoch, since: all.since, verified: true })).status, 200);
  const again = (await lease('one', { epoch })).body;
  t.match(again, { since: all.since, verified_at: String });
  // A transaction that somebody else has open in this PostgreSQL lets what it may have seen be listed again.
  let { since } = all;
  for (let tries = 0, seen = 1; seen > 0 && tries < 600; tries += 1) {
    const page = await read(`?since=${since}`);
    ({ since } = page);
    seen = page.items.length;
    if (seen > 0) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.same((await read(`?since=${since}`)).items, []);
  await service.call('POST', `/v1/keys/${issuer}/rotate`, { now: true });
  const changed = await read(`?since=${since}`);
  t.same(
    changed.items.map((item) => item.issuer),
    [issuer],
  );
  t.equal(changed.items[0]?.documents[0]?.kids?.length, 3);
  // The predecessor leaves by time: nobody writes anything then.
  const { db } = service.database;
  const past = new Date(Number(changed.since.split('.')[1]) + 1);
  await db.updateTable('activations').set({ predecessor_removed_at: past }).where('seq', '=', 1).execute();
  const left = await read(`?since=${changed.since}`);
  t.same(
    left.items.map((item) => [item.issuer, item.documents[0]?.kids?.length]),
    [[issuer, 2]],
  );
  const ahead = `999999999999.${Date.now()}`;
  t.match(await post('passes', { epoch, since: ahead }), { status: 400, body: { code: 'invalid_request' } });
  t.equal((await read(`?since=${ahead}`)).items.length, 3, 'a database from a backup: everything');
  t.match(await post('passes', { epoch, since: `1.${Date.now() + 3_600_000}` }), { status: 400 });
});

t.test('a publisher needs keys:read and keys:publish, and no more', async (t) => {
  const { service, id } = await openApiWorld(t);
  const client = await registerClient(service, { slug: 'publisher', scopes: ['keys:read', 'keys:publish'] });
  const token = await workloadToken(service, client, `${service.config.issuerUrl}/v1`, 'keys:read keys:publish');
  const call = (method: string, path: string, body?: object) =>
    service.call(method, `${TARGETS}${path}`, body, { token });
  t.equal((await call('GET', '')).status, 200);
  const { body } = await call('POST', `/${id}/lease`, { holder: 'one' });
  const { items, since } = (await call('GET', `/${id}/documents`)).body;
  const [{ issuer, documents }] = items;
  const [{ document, version, kids }] = documents;
  const placed = [{ issuer, document, version, kids, tag: 'x' }];
  t.equal((await call('POST', `/${id}/placements`, { epoch: body.epoch, documents: placed })).status, 200);
  t.equal((await call('POST', `/${id}/passes`, { epoch: body.epoch, since })).status, 200);
  for (const [method, path, sent] of [
    ['POST', '', { target: '/srv/id' }],
    ['POST', `/${id}/end`, undefined],
  ] as const)
    t.match(await call(method, path, sent), { status: 403, body: { code: 'insufficient_scope' } });
});
