// What somebody who was let in for an hour, or for less than another, tries to make of it.
import t from 'tap';
import { ecJwk } from '../clients/api.ts';
import { registerClient, workloadToken } from '../support/service.ts';
import { startStandIn } from '../support/stand-in-issuer.ts';
import { CLIENT_ID, GOOD } from './sign-ins.ts';
import { openFederation } from './world.ts';

const ANA = GOOD.sub;

t.test('a proof that ends is not made into a key that stays', async (t) => {
  const company = await startStandIn(t);
  const federation = await openFederation(t);
  const { service } = federation;
  const resource = `${service.config.issuerUrl}/v1`;
  await federation.trust({ name: 'acme', kind: 'oidc', issuer: company.url, login: { client_id: CLIENT_ID } });
  const laptop = await registerClient(service, { slug: 'laptop', scopes: ['audit:read'] });
  await federation.identify(laptop.id, { trusted_issuer: 'acme', subject: ANA, person: true });
  await federation.identify(laptop.id, { trusted_issuer: 'acme', subject: 'job' });
  const keys = `/v1/workloads/${laptop.id}/keys`;
  const job = { sub: 'job', aud: service.config.issuerUrl, jti: 'once' };
  for (const [who, answer] of Object.entries({
    'a person': await federation.signIn(await company.sign(GOOD)),
    'a job': await federation.exchange(await company.sign(job), { resource }),
  })) {
    const token = answer.body.access_token as string;
    t.match(await service.call('GET', '/v1/whoami', undefined, { token }), { body: { id: laptop.id } }, who);
    const refused = { status: 403, body: { code: 'insufficient_scope' } };
    t.match(await service.call('POST', keys, { jwk: ecJwk() }, { token }), refused, `${who} adds a key`);
    const { body } = await service.call('GET', `/v1/workloads/${laptop.id}`);
    t.equal(body.keys.length, 1);
    const own = `${keys}/${body.keys[0].kid}`;
    t.match(await service.call('DELETE', own, undefined, { token }), refused, `${who} takes one away`);
  }
  const token = await workloadToken(service, laptop, resource);
  t.equal((await service.call('POST', keys, { jwk: ecJwk() }, { token })).status, 201, 'by its key it rotates its key');
});
