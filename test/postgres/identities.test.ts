// Acts by identities of one issuer, at two replicas: those who give identities of it, and whoever changes it.
import t, { type Test } from 'tap';
import { insertAdministrator } from '../../src/administrators/store.ts';
import { connectPostgres } from '../../src/db/connect.ts';
import { createId } from '../../src/ids.ts';
import { addIdentity } from '../../src/identities/change.ts';
import { isLetIn } from '../../src/identities/store.ts';
import { insertTrustedIssuer, lockTrustedIssuer } from '../../src/trusted-issuers/store.ts';
import { openTestDatabase, testDatabaseUrl } from '../support/databases.ts';
import { overlap } from '../support/overlap.ts';
import { PATIENCE_MS } from '../support/until.ts';

/** An issuer that people sign in at, and administrators who are people of it, by slug: their identities. */
async function open(t: Test, slugs: string[]) {
  const { db } = await openTestDatabase(t);
  const people = await db.transaction().execute(async (trx) => {
    await insertTrustedIssuer(trx, {
      ...{ id: createId('ti'), name: 'acme', kind: 'oidc', issuer: 'https://acme.example', audience: null },
      ...{ algorithms: ['RS256'], jwks_uri: null, jwks: null, one_time: false, max_token_seconds: 3600 },
      ...{ state: 'active', login: { client_id: 'command', scopes: ['openid'] } },
    });
    const given: { owner: string; identity: string }[] = [];
    for (const slug of slugs) {
      const owner = createId('ad');
      await insertAdministrator(trx, { id: owner, slug, description: '', scopes: [], keys: [] });
      const wanted = { trusted_issuer: 'acme', subject: slug };
      const { identity } = await addIdentity(trx, { id: owner, person: true }, wanted, undefined);
      given.push({ owner, identity: identity.id });
    }
    return given;
  });
  return { db, people };
}

t.test('two who act by an identity of an issuer each give one of it', async (t) => {
  const { people } = await open(t, ['ana', 'bob']);
  const pool = connectPostgres({ url: (await testDatabaseUrl(t)) as string, connectTimeoutMs: PATIENCE_MS });
  t.teardown(() => pool.close());
  const confirmed = people.map(() => Promise.withResolvers<void>());
  const acts = people.map(({ owner, identity }, n) =>
    pool.db.transaction().execute(async (trx) => {
      t.ok(await isLetIn(trx, identity, true));
      confirmed[n]?.resolve();
      await Promise.all(confirmed.map(({ promise }) => promise));
      const wanted = { trusted_issuer: 'acme', subject: `another of ${owner}` };
      await addIdentity(trx, { id: owner, person: true }, wanted, undefined);
    }),
  );
  t.same(
    (await Promise.allSettled(acts)).map(({ status }) => status),
    ['fulfilled', 'fulfilled'],
    'neither waits for the other, who waits for him',
  );
});

t.test('whoever changes an issuer waits for who acts by an identity of it', async (t) => {
  const { people } = await open(t, ['ana']);
  const act = (trx: Parameters<typeof isLetIn>[0]) => isLetIn(trx, people[0]?.identity as string, true);
  t.same(await overlap(t, act, (trx) => lockTrustedIssuer(trx, 'acme', 'change')), [undefined, undefined]);
});
