// The ways in which a workload may prove who it is: its own keys, until they expire.
import t from 'tap';
import { createKey } from '../../src/clients/keys.ts';
import type { JwkInput } from '../../src/clients/schema.ts';
import { listProofs } from '../../src/workloads/proof.ts';
import { ecJwk } from '../clients/api.ts';

const NOW = Date.UTC(2026, 10, 20);

t.test('a key of its own, as an OAuth client has it', async (t) => {
  const jwk = ecJwk() as unknown as JwkInput;
  const key = createKey({ jwk }, NOW);
  t.strictSame(listProofs({ keys: [key] }, NOW), [
    {
      way: 'private_key',
      jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.y, kid: key.kid, alg: 'ES256', use: 'sig' }] },
    },
  ]);
});

t.test('an expired key proves nothing, from its very millisecond', async (t) => {
  const lasting = createKey({ jwk: ecJwk() as unknown as JwkInput }, NOW);
  const ending = createKey({ jwk: ecJwk() as unknown as JwkInput, expires_at: '2026-11-20T00:00:10Z' }, NOW);
  const kids = (now: number) =>
    listProofs({ keys: [lasting, ending] }, now).flatMap(({ jwks }) => jwks.keys.map(({ kid }) => kid));
  t.strictSame(kids(NOW + 9_999), [lasting.kid, ending.kid]);
  t.strictSame(kids(NOW + 10_000), [lasting.kid]);
  t.strictSame(listProofs({ keys: [ending] }, NOW + 10_000), []);
});
