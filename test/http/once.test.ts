// Writers at once: an Idempotency-Key makes one thing, and what there may be one or ten of is one or ten.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { type Answer, registerClient, startTestService, type TestService, workloadToken } from '../support/service.ts';

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
const account = { account_id: '111122223333', permission_set: 'read-only' };

interface Creating {
  path: string;
  body(name: string): object;
  /** How many there are of it. */
  list: string;
}

async function build(t: Test): Promise<{ service: TestService; creating: Creating[] }> {
  const service = await startTestService(t);
  const workload = await registerClient(service, { slug: 'w0' });
  const jwk = newKey();
  const creating: Creating[] = [
    { path: '/v1/connections', list: '/v1/connections', body: (name) => ({ name, aws: account }) },
    { path: '/v1/workloads', list: '/v1/workloads', body: (slug) => ({ slug }) },
    { path: '/v1/administrators', list: '/v1/administrators', body: (slug) => ({ slug, keys: [jwk] }) },
    {
      path: '/v1/grants',
      list: '/v1/grants',
      body: (purpose) => ({ workload: workload.id, selector: { all: true }, purpose }),
    },
  ];
  return { service, creating };
}

let house: ReturnType<typeof build> | undefined;
const setUp = (): ReturnType<typeof build> => (house ??= build(t));

async function count(service: TestService, { list }: Creating): Promise<number> {
  return (await service.call('GET', `${list}?limit=200`)).body.items.length;
}

const atOnce = (times: number, ask: (index: number) => Promise<Answer>): Promise<Answer[]> =>
  Promise.all(Array.from({ length: times }, (_, index) => ask(index)));

const statuses = (answers: readonly Answer[]): Record<string, number> =>
  Object.fromEntries(
    Object.entries(Object.groupBy(answers, ({ status }) => String(status))).map(([status, all]) => [
      status,
      all?.length,
    ]),
  ) as Record<string, number>;

t.test('twenty at once with one Idempotency-Key make one thing and get one answer', async (t) => {
  const { service, creating } = await setUp();
  for (const one of creating) {
    const before = await count(service, one);
    const headers = { 'idempotency-key': randomUUID() };
    const answers = await atOnce(20, () => service.call('POST', one.path, one.body('twin'), { headers }));
    t.same(statuses(answers), { 201: 20 }, one.path);
    t.equal(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1, 'the same answer');
    t.equal((await count(service, one)) - before, 1, 'one thing');
    const late = await service.call('POST', one.path, one.body('twin'), { headers });
    t.strictSame([late.status, late.body], [201, answers[0]?.body], 'and so later');
  }
});

t.test('one Idempotency-Key with other requests at once: one is made, the others are told', async (t) => {
  const { service, creating } = await setUp();
  for (const one of creating) {
    const before = await count(service, one);
    const headers = { 'idempotency-key': randomUUID() };
    const answers = await atOnce(10, (index) =>
      service.call('POST', one.path, one.body(`other-${index}`), { headers }),
    );
    t.same(statuses(answers), { 201: 1, 422: 9 }, one.path);
    t.ok(answers.every(({ status, body }) => status === 201 || body.code === 'idempotency_key_reused'));
    t.equal((await count(service, one)) - before, 1);
  }
});

t.test("another's Idempotency-Key is another key, and a refused request leaves its key free", async (t) => {
  const { service } = await setUp();
  const scopes = ['workloads:write', 'workloads:read'];
  const other = await registerClient(service, { slug: 'other', scopes });
  const token = await workloadToken(service, other, `${service.config.issuerUrl}/v1`);
  const headers = { 'idempotency-key': 'one' };
  const mine = await service.call('POST', '/v1/workloads', { slug: 'mine' }, { headers });
  const theirs = await service.call('POST', '/v1/workloads', { slug: 'theirs' }, { headers, token });
  t.strictSame([mine.status, theirs.status, theirs.body.slug], [201, 201, 'theirs']);
  const free = { 'idempotency-key': 'two' };
  t.equal((await service.call('POST', '/v1/workloads', { slug: 'mine' }, { headers: free })).status, 409);
  t.equal((await service.call('POST', '/v1/workloads', { slug: 'yours' }, { headers: free })).status, 201);
});

t.test('of one slug, one reference, one selector, one key there is one, whoever asks at once', async (t) => {
  const { service } = await setUp();
  const workload = await registerClient(service, { slug: 'holder' });
  const jwk = newKey();
  const cases: [string, object, string][] = [
    ['/v1/workloads', { slug: 'same-slug' }, 'slug_taken'],
    ['/v1/administrators', { slug: 'same-slug', keys: [jwk] }, 'slug_taken'],
    ['/v1/connections', { name: 'x', reference: 'same', aws: account }, 'reference_taken'],
    ['/v1/grants', { workload: workload.id, selector: { tenant: 'same' } }, 'grant_exists'],
    [`/v1/workloads/${workload.id}/keys`, { jwk }, 'key_exists'],
  ];
  for (const [path, body, code] of cases) {
    const answers = await atOnce(10, () => service.call('POST', path, body));
    t.same(statuses(answers), { 201: 1, 409: 9 }, path);
    t.ok(
      answers.every((answer) => answer.status === 201 || answer.body.code === code),
      code,
    );
  }
});

t.test('ten keys are ten, and one stays, whoever adds and deletes at once', async (t) => {
  const { service } = await setUp();
  const workload = await registerClient(service, { slug: 'keys' });
  const path = `/v1/workloads/${workload.id}/keys`;
  const added = await atOnce(15, () => service.call('POST', path, { jwk: newKey() }));
  t.same(statuses(added), { 201: 9, 409: 6 });
  t.ok(added.every(({ status, body }) => status === 201 || body.code === 'too_many_keys'));
  const { body } = await service.call('GET', `/v1/workloads/${workload.id}`);
  const kids: string[] = body.keys.map(({ kid }: { kid: string }) => kid);
  t.equal(new Set(kids).size, 10);
  await atOnce(10, (index) => service.call('DELETE', `${path}/${kids[index]}`));
  const left = await service.call('GET', `/v1/workloads/${workload.id}`);
  t.equal(left.body.version, 1 + 9 + (10 - left.body.keys.length), 'each change is a version');
});
