// GET /v1/whoami, for each kind of caller.
import t from 'tap';
import { openApi } from './api.ts';

t.test('every caller learns who it is and what its token carries', async (t) => {
  const api = await openApi(t);
  const { body: workload } = await api.call('POST', '/v1/workloads', { slug: 'one' });
  const { body: administrator } = await api.call('POST', '/v1/administrators', { slug: 'ann' });
  const ask = async (as: NonNullable<Parameters<typeof api.call>[3]>['as'] & {}) => {
    const { status, body } = await api.call('GET', '/v1/whoami', undefined, { as });
    t.equal(status, 200);
    return body;
  };
  t.strictSame(await ask({ kind: 'workload', id: workload.id, scopes: [] }), {
    kind: 'workload',
    id: workload.id,
    scopes: [],
    slug: 'one',
  });
  t.strictSame(
    await ask({ kind: 'administrator', id: administrator.id, scopes: ['keys:read', 'audit:read'], reason: 'why' }),
    {
      ...{
        kind: 'administrator',
        id: administrator.id,
        scopes: ['audit:read', 'keys:read'],
        slug: 'ann',
        reason: 'why',
      },
    },
  );
  t.strictSame(await ask({ scopes: ['keys:read'] }), { kind: 'host', id: 'host', scopes: ['keys:read'] });
});
