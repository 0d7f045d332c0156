// Tables of accepted and refused tokens, kind by kind (vectors.ts), at the token endpoint of a real service.
import t from 'tap';
import { createStandInKey, signAs, nowSeconds } from '../support/stand-in-issuer.ts';
import { VECTORS } from './vectors.ts';
import { openFederation } from './world.ts';

t.test('tokens of each kind, taken and refused', async (t) => {
  const federation = await openFederation(t);
  const { service } = federation;
  for (const [index, [name, vector]] of Object.entries(VECTORS).entries()) {
    const { kind, algorithm, identity, header, claims } = vector;
    const issuer = `https://issuer-${index}.example`;
    const key = createStandInKey(algorithm);
    await federation.trust({ name: `issuer-${index}`, kind, issuer, jwks: { keys: [key.jwk] } });
    const workload = await federation.register(`workload-${index}`);
    const added = await service.call('POST', `/v1/workloads/${workload.id}/identities`, {
      trusted_issuer: `issuer-${index}`,
      ...identity,
    });
    t.equal(added.status, 201, JSON.stringify(added.body));
    const warned = (added.body.warnings ?? []).map(({ code }: { code: string }) => code);
    t.same(warned, vector.warnings, `${name}: warnings`);
    const now = nowSeconds();
    const show = async (change: Record<string, unknown>) => {
      const times = { iat: now, nbf: now, exp: now + 600 };
      const payload = { iss: issuer, aud: service.config.issuerUrl, ...times, ...claims, ...change };
      return await federation.exchange(await signAs(key, payload, header));
    };
    for (const [why, change] of Object.entries(vector.refused))
      t.match(await show(change), { status: 400, body: { error: 'invalid_request' } }, `${name}: ${why}`);
    const taken = await show({});
    t.match(taken, { status: 200 }, `${name}: ${JSON.stringify(taken.body)}`);
  }
});
