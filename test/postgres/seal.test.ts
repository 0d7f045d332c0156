// The seal between transactions: whatever was decided before it and not yet on record is refused by it, on each minting path.
import t, { type Test } from 'tap';
import { sql } from 'kysely';
import { bumpEpoch } from '../../src/audit/store.ts';
import { lockSeal, updateSeal } from '../../src/seal/store.ts';
import { testDatabaseUrl } from '../support/databases.ts';
import { startReplicas } from '../support/process.ts';
import { assertion, postToken, tokenForm } from '../support/service.ts';
import { generateKeyPairSync } from 'node:crypto';
import { openSealWorld } from '../seal/world.ts';
import { until } from '../support/until.ts';

/** A seal as the service sets it, written and not committed until told. */
async function holdSeal({ service: { database } }: Awaited<ReturnType<typeof openSealWorld>>) {
  const written = Promise.withResolvers<void>();
  const commit = Promise.withResolvers<void>();
  const sealing = database.db.transaction().execute(async (trx) => {
    await lockSeal(trx);
    await updateSeal(trx, { by: 'host', reason: 'held' });
    await bumpEpoch(trx);
    written.resolve();
    await commit.promise;
  });
  await Promise.race([written.promise, sealing]);
  return {
    /** Resolves when an append waits for it. */
    blocked: () =>
      until(async () => {
        const { rows } = await sql`
          select from pg_locks where not granted
            and database = (select oid from pg_database where datname = current_database())`.execute(database.db);
        return rows.length > 0;
      }),
    commit: async () => {
      commit.resolve();
      await sealing;
    },
  };
}

async function decideThenSeal(t: Test, path: 'token' | 'credentials') {
  const world = await openSealWorld(t);
  t.equal((await world[path]()).status, 200, 'before, and remembered');
  const before = await world.minted();
  const seal = await holdSeal(world);
  const answer = world[path]();
  t.ok(await seal.blocked(), 'decided, and waiting to be on record');
  await seal.commit();
  t.match(await answer, { status: 503, body: { code: 'sealed' } });
  t.equal(await world.minted(), before, 'no record after the commit');
}

t.test('a token that was signed before the seal commits is not given after', (t) => decideThenSeal(t, 'token'));

t.test('an exchange that was decided before the seal commits is not begun after', (t) =>
  decideThenSeal(t, 'credentials'),
);

t.test('a verification that was decided before the seal commits shows STS nothing after', async (t) => {
  const world = await openSealWorld(t);
  const { service, minted, unseal } = world;
  const { body } = await service.call('POST', '/v1/connections', {
    name: 'Another customer',
    aws: { account_id: '444455556666', permission_set: 'read-only' },
  });
  const id = body.id as string;
  // The queue's row is written by hand: the act that writes it would wait for the seal itself.
  const { db } = service.database;
  const seal = await holdSeal(world);
  await sql`insert into verifications (connection, started_at, next_at) values (${id}, now(), now())`.execute(db);
  t.ok(await seal.blocked(), 'decided, and waiting to be on record');
  await seal.commit();
  const lease = async () =>
    (
      await db.selectFrom('verifications').select(['leased_until', 'attempts']).where('connection', '=', id).execute()
    )[0];
  t.ok(await until(async () => (await lease())?.leased_until === null), 'its lease is given back');
  t.equal(await minted(id), 0);
  t.equal((await unseal()).status, 200);
  t.ok(await until(async () => (await minted(id)) > 0), 'and goes on at once when the seal is lifted');
});

t.test('sealed at one replica, refused at the other, though it remembers the client', async (t) => {
  const { replicas, callAt, issuerUrl } = await startReplicas(t, 2, {
    DATABASE_URL: (await testDatabaseUrl(t)) as string,
  });
  const [a, b] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const audiences = ['https://ledger.example'];
  const keys = [publicKey.export({ format: 'jwk' })];
  const { body } = await callAt(a, 'POST', '/v1/workloads', { slug: 'billing', audiences, keys });
  const client = { id: body.id as string, kid: body.keys[0].kid as string, privateKey };
  const mintAtB = async () => postToken(b.url, tokenForm(await assertion(issuerUrl, client), audiences[0] as string));
  t.equal((await mintAtB()).status, 200);
  t.equal((await mintAtB()).status, 200, 'remembered');
  const change = async (what: string) => {
    const { access_token } = { access_token: await a.hostToken() };
    const answer = await fetch(`${a.url}/v1/service/${what}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${access_token}`, 'countersign-reason': 'drill' },
    });
    t.equal(answer.status, 200);
  };
  await change('seal');
  t.match(await mintAtB(), { status: 503, body: { code: 'sealed' } });
  await change('unseal');
  t.equal((await mintAtB()).status, 200, 'and lifted at one, it is at the other');
});
