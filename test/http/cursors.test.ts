// Cursors while others write: no row twice, and none missed that stood throughout, in every list.
import { generateKeyPairSync } from 'node:crypto';
import t, { type Test } from 'tap';
import { registerClient, startTestService, type TestService, workloadToken } from '../support/service.ts';

const account = { account_id: '111122223333', permission_set: 'read-only' };
const STANDING = 9;

interface List {
  name: string;
  path: string;
  token?: string;
  key(item: Record<string, unknown>): string;
  /** Makes one and, where there is a second, takes it away. */
  churn: readonly [() => Promise<string>, ((id: string) => Promise<unknown>)?];
}

/** Page after page, with others writing beside each. */
async function walk(
  service: TestService,
  { path, token, key }: Omit<List, 'churn'>,
  churn: () => Promise<unknown>,
): Promise<string[]> {
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const more: string = cursor === undefined ? '' : `&cursor=${cursor}`;
    const [page] = await Promise.all([
      service.call('GET', `${path}${path.includes('?') ? '&' : '?'}limit=3${more}`, undefined, token ? { token } : {}),
      churn(),
    ]);
    if (page.status !== 200) throw new Error(JSON.stringify(page.body));
    seen.push(...page.body.items.map(key));
    cursor = page.body.next_cursor;
  } while (cursor !== undefined && seen.length < 500);
  return seen;
}

async function setUp(t: Test) {
  const service = await startTestService(t);
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  const reader = await registerClient(service, { slug: 'reader' });
  let made = 0;
  const post = async (path: string, body: object): Promise<string> => {
    const answer = await service.call('POST', path, body);
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
    return answer.body.id as string;
  };
  // Ids are random and slugs are drawn, so what comes and goes stands anywhere among the rest.
  const name = (): string => `${'amz'[made % 3]}${made++}-${Math.random().toString(36).slice(2, 8)}`;
  const make = {
    workload: () => post('/v1/workloads', { slug: name() }),
    administrator: () => post('/v1/administrators', { slug: name(), keys: [jwk] }),
    connection: () => post('/v1/connections', { name: 'x', aws: account }),
    grant: () => post('/v1/grants', { workload: reader.id, selector: { tenant: name() } }),
  };
  const remove = {
    connection: (id: string) => service.call('DELETE', `/v1/connections/${id}`),
    grant: (id: string) => service.call('DELETE', `/v1/grants/${id}`),
  };
  return { service, reader, make, remove, post };
}

t.test('every list, while what it lists comes and goes', async (t) => {
  const { service, reader, make, remove, post } = await setUp(t);
  await post('/v1/grants', { workload: reader.id, selector: { all: true } });
  for (let count = 0; count < STANDING; count += 1)
    await Promise.all([make.workload(), make.administrator(), make.connection(), make.grant()]);
  const token = await workloadToken(service, reader, `${service.config.issuerUrl}/v1`);
  const byId = ({ id }: Record<string, unknown>): string => String(id);
  const connection = [make.connection, remove.connection] as const;
  const grant = [make.grant, remove.grant] as const;
  const lists: List[] = [
    { name: 'workloads', path: '/v1/workloads', key: byId, churn: [make.workload] },
    { name: 'administrators', path: '/v1/administrators', key: byId, churn: [make.administrator] },
    { name: 'connections', path: '/v1/connections', key: byId, churn: connection },
    { name: 'connections of a workload', path: '/v1/connections', token, key: byId, churn: connection },
    { name: 'grants', path: '/v1/grants', key: byId, churn: grant },
    { name: 'grants of a workload', path: `/v1/grants?workload=${reader.id}`, key: byId, churn: grant },
    { name: 'rings', path: '/v1/keys', key: (ring) => JSON.stringify(ring['issuer']), churn: [make.connection] },
    {
      name: 'audit',
      path: '/v1/audit?kind=workload.created',
      key: (row) => JSON.stringify(row),
      churn: [make.workload],
    },
  ];
  for (const { churn, ...list } of lists) {
    const standing = await walk(service, list, async () => {});
    t.equal(new Set(standing).size, standing.length, `${list.name}: at rest, none twice`);
    t.ok(standing.length >= STANDING, `${list.name}: ${standing.length}`);
    const [insert, take] = churn;
    const going = take ? [await insert(), await insert()] : [];
    const seen = await walk(service, list, async () => {
      const gone = going.shift();
      const [made] = await Promise.all([insert(), gone && take?.(gone)]);
      if (take) going.push(made);
    });
    t.equal(new Set(seen).size, seen.length, `${list.name}: none twice`);
    t.same(
      standing.filter((one) => !seen.includes(one)),
      [],
      `${list.name}: none missed`,
    );
  }
});
