// Whether a client may still do what it asked for some time ago: what it is now counts, not what it was.
import t from 'tap';
import type { Db } from '../../src/db/connect.ts';
import { createStillMay } from '../../src/oauth/still-may.ts';

t.test('active, with the scope, or the host itself', async (t) => {
  const clients: Record<string, { state: string; scopes: string[] }> = {
    ad_active: { state: 'active', scopes: ['keys:read', 'keys:rotate'] },
    ad_suspended: { state: 'suspended', scopes: ['keys:rotate'] },
    ad_without: { state: 'active', scopes: ['keys:read'] },
  };
  const may = createStillMay(async (_db, id) => clients[id], 'keys:rotate');
  const asked = ['host', 'ad_active', 'ad_suspended', 'ad_without', 'ad_gone'];
  t.same(await Promise.all(asked.map((id) => may({} as Db, id))), [true, true, false, false, false]);
});
