// No token of one issuer is ever taken for another's: every pair of key, kid and iss, on one service.
import fc from 'fast-check';
import t from 'tap';
import { createStandInKey, nowSeconds, signAs } from '../support/stand-in-issuer.ts';
import { openFederation } from './world.ts';

t.test('no token of issuer A is taken for one of issuer B', async (t) => {
  const federation = await openFederation(t);
  const { service } = federation;
  const aud = service.config.issuerUrl;
  // One kid for all, one subject for all: nothing but the issuer and its key tells them apart.
  const issuers = await Promise.all(
    ['https://a.example', 'https://a.example/', 'https://b.example'].map(async (url, index) => {
      const key = createStandInKey('ES256', 'shared');
      const kind = 'kubernetes';
      await federation.trust({
        name: `issuer-${index}`,
        kind,
        issuer: url,
        algorithms: ['ES256'],
        jwks: { keys: [key.jwk] },
      });
      const workload = await federation.register(`workload-${index}`);
      await federation.identify(workload.id, { trusted_issuer: `issuer-${index}`, subject: 'one:subject' });
      return { url, key, workload: workload.id };
    }),
  );
  const stranger = createStandInKey('ES256', 'shared');
  const keys = [...issuers.map(({ key }) => key), stranger];
  const names = [...issuers.map(({ url }) => url), 'https://A.example', 'https://a.example#', 'https://a.example%2f'];
  await t.resolves(
    fc.assert(
      fc.asyncProperty(fc.constantFrom(...keys), fc.constantFrom(...names), async (key, iss) => {
        const now = nowSeconds();
        const token = await signAs(key, { iss, sub: 'one:subject', aud, iat: now, exp: now + 60 });
        const { status, body } = await federation.exchange(token);
        const rightful = issuers.find((one) => one.key === key && one.url === iss);
        if (!rightful) return status === 400;
        const [, payload = ''] = (body.access_token as string).split('.');
        return JSON.parse(Buffer.from(payload, 'base64url').toString()).sub === rightful.workload;
      }),
      { numRuns: 60, examples: issuers.map(({ key, url }): [typeof key, string] => [key, url]) },
    ),
  );
});
