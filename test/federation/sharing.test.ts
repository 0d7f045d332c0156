// Clusters that share an `iss`, as kubeadm makes them: a token is of the one whose pasted keys have its key, or of none.
import fc from 'fast-check';
import { decodeJwt } from 'jose';
import t, { type Test } from 'tap';
import { untilBlocked } from '../support/overlap.ts';
import { createStandInKey, nowSeconds, signAs, type StandInKey } from '../support/stand-in-issuer.ts';
import { readNew } from '../../src/trusted-issuers/check.ts';
import { requireApart } from '../../src/trusted-issuers/sharing.ts';
import { insertTrustedIssuer, lockIssuersNamed } from '../../src/trusted-issuers/store.ts';
import { openFederation } from './world.ts';

const ISS = 'https://kubernetes.default.svc.cluster.local';
const SUBJECT = 'system:serviceaccount:payments:billing';

async function openClusters(t: Test, count: number) {
  const federation = await openFederation(t);
  const { service } = federation;
  const clusters = [];
  for (let index = 0; index < count; index += 1) {
    const keys = [createStandInKey('ES256'), createStandInKey('ES256')] as [StandInKey, StandInKey];
    const name = `cluster-${index}`;
    const jwks = { keys: keys.map(({ jwk }) => jwk) };
    const id = await federation.trust({ name, kind: 'kubernetes', issuer: ISS, algorithms: ['ES256'], jwks });
    const workload = await federation.register(`billing-${index}`);
    // The same names in each: nothing but the cluster tells them apart.
    await federation.identify(workload.id, { trusted_issuer: name, subject: SUBJECT });
    clusters.push({ ...{ id, name, keys }, workload: workload.id });
  }
  const show = async (key: StandInKey, kid = key.kid) => {
    const now = nowSeconds();
    const claims = { iss: ISS, sub: SUBJECT, aud: service.config.issuerUrl, iat: now, exp: now + 300 };
    return await federation.exchange(await signAs(key, claims, { kid }));
  };
  return { federation, service, clusters, show };
}

t.test('no token of cluster A is ever taken for cluster B’s', async (t) => {
  const { clusters, show } = await openClusters(t, 3);
  const keys = clusters.flatMap(({ keys: both, workload }) => both.map((key) => ({ key, workload })));
  const stranger = { key: createStandInKey('ES256'), workload: undefined };
  const kids = [...keys.map(({ key }) => key.kid), 'another'];
  await t.resolves(
    fc.assert(
      fc.asyncProperty(fc.constantFrom(...keys, stranger), fc.constantFrom(...kids), async ({ key, workload }, kid) => {
        const { status, body } = await show(key, kid);
        if (workload === undefined || kid !== key.kid) return status === 400;
        return decodeJwt(body.access_token as string).sub === workload;
      }),
      { numRuns: 60, examples: keys.map((one): [typeof one, string] => [one, one.key.kid]) },
    ),
  );
});

t.test('what would mix two clusters up is refused, and lets nobody in were it there', async (t) => {
  const { service, clusters, show } = await openClusters(t, 2);
  const [a, b] = clusters as [(typeof clusters)[number], (typeof clusters)[number]];
  const [mine] = a.keys;
  const other = createStandInKey('ES256');
  const fresh = { keys: [createStandInKey('ES256').jwk] };
  const create = (more: object) =>
    service.call('POST', '/v1/trusted-issuers', {
      name: 'another',
      kind: 'kubernetes',
      issuer: ISS,
      jwks: fresh,
      ...more,
    });
  const update = (change: object) => service.call('PATCH', `/v1/trusted-issuers/${b.name}`, change);
  const sameKid = { keys: [{ ...other.jwk, kid: mine.kid }] };
  const sameKey = { keys: [{ ...mine.jwk, kid: 'another-name' }] };
  const taken = { status: 409, body: { code: 'trusted_issuer_exists', hint: /\S/ } };
  t.match(await create({ jwks: sameKid }), taken, 'a kid that another has');
  t.match(await create({ jwks: sameKey }), taken, 'a key that another has');
  t.match(await create({ jwks: null }), taken, 'keys that are fetched');
  t.match(await create({ kind: 'oidc', algorithms: ['ES256'], one_time: true }), {
    ...{ status: 400, body: { code: 'trusted_issuer_refused', detail: /one-time/ } },
  });
  t.match(await update({ jwks: sameKid }), taken, 'a kid that another has, later');
  t.match(await update({ jwks: sameKey }), taken, 'a key that another has, later');
  t.match(await update({ jwks: null }), taken, 'keys that are fetched, later');
  t.match(await update({ jwks: fresh }), { status: 200 }, 'and what mixes nothing up goes through');
  t.equal((await show(mine)).status, 200);
  await service.call('PATCH', `/v1/trusted-issuers/${b.name}`, { state: 'suspended' });
  t.equal((await show(mine)).status, 200, 'a cluster that is suspended is not the others');

  const { db } = service.database;
  const insert = async (name: string, jwks: object | null): Promise<void> => {
    const row = {
      ...{ id: `ti_${name}`, name, kind: 'kubernetes', issuer: ISS, state: 'active' },
      algorithms: ['ES256'],
    };
    const rest = { jwks: jwks && JSON.stringify(jwks), one_time: false, max_token_seconds: 3600 };
    await db
      .insertInto('trusted_issuers')
      .values({ ...row, ...rest } as never)
      .execute();
    await db
      .updateTable('policy_epoch')
      .set((eb) => ({ epoch: eb('epoch', '+', 1) }))
      .execute();
  };
  await insert('kid', sameKid);
  t.match(await show(mine), { status: 400 });
  t.match(
    await show(mine),
    { status: 400, body: { error_description: /did not sign it/ } },
    'whose key it is, nobody knows',
  );
  t.equal((await show(a.keys[1])).status, 200, 'of another key it is known');
  await insert('fetched', null);
  t.match(await show(a.keys[1]), { status: 400 });
  t.match(await show(a.keys[1]), { status: 400 }, 'and of no key, where one has keys that nobody has seen');
});

t.test('of two with one kid that are trusted at once, at two replicas, one is', async (t) => {
  const { service } = await openFederation(t);
  const { db } = service.database;
  const trust = (name: string, meanwhile?: () => Promise<unknown>) =>
    db.transaction().execute(async (trx) => {
      const jwks = { keys: [createStandInKey('ES256', 'shared').jwk] } as { keys: { kty: 'EC'; kid: string }[] };
      const wanted = { name, kind: 'kubernetes', issuer: ISS, algorithms: ['ES256'], jwks } as const;
      const given = readNew({ ...wanted, algorithms: ['ES256'] }, `ti_${name}`, service.config.issuerUrl);
      requireApart(given, await lockIssuersNamed(trx, ISS));
      await insertTrustedIssuer(trx, given);
      await meanwhile?.();
    });
  let second: Promise<string> | undefined;
  await trust('a', async () => {
    second = trust('b').then(
      () => 'trusted twice',
      ({ code }: { code: string }) => code,
    );
    // It waits for this one's end; who does not wait is through long before.
    await Promise.race([second, untilBlocked(db)]);
  });
  t.equal(await second, 'trusted_issuer_exists');
});
