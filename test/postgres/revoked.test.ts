// A revocation between transactions: what was decided before it and not yet on record is signed by no revoked key after it.
import { decodeProtectedHeader } from 'jose';
import t from 'tap';
import { bumpEpoch } from '../../src/audit/store.ts';
import type { Db } from '../../src/db/connect.ts';
import { listRingKeys } from '../../src/keys/facts.ts';
import { insertActivation, insertRevocation, lockRing } from '../../src/keys/store.ts';
import { activeKey, standbyKey } from '../../src/keys/timeline.ts';
import { openSealWorld } from '../seal/world.ts';
import { untilBlocked } from '../support/overlap.ts';
import { assertion, postToken, registerClient, startTestService, tokenForm } from '../support/service.ts';

/** A revocation of the key that signs, as a replica writes it, and not committed until told. */
async function holdRevocation(db: Db, ring: string) {
  const now = Date.now();
  const keys = await listRingKeys(db, ring);
  const [active, standby] = [activeKey(keys, now), standbyKey(keys, now)];
  if (active?.seq === undefined || !standby) throw new Error('the ring has no keys');
  const [seq, { kid }] = [active.seq + 1, standby];
  const written = Promise.withResolvers<void>();
  const commit = Promise.withResolvers<void>();
  const predecessor = { kid: active.kid, removedAt: now + 3_600_000, destroyedAt: now + 3_600_000 };
  const revoking = db.transaction().execute(async (trx) => {
    await lockRing(trx, ring);
    await insertActivation(trx, { ring, seq, kid, at: now, predecessor, reason: 'leaked', actor: 'host' });
    await insertRevocation(trx, { kid: active.kid, at: now, acceptedOutage: true, reason: 'leaked', actor: 'host' });
    await bumpEpoch(trx);
    written.resolve();
    await commit.promise;
  });
  await Promise.race([written.promise, revoking]);
  return {
    ...{ revoked: active.kid, successor: kid },
    commit: async () => {
      commit.resolve();
      await revoking;
    },
  };
}

t.test(
  'a token that a key signed before its revocation committed is not given after, and costs no assertion',
  async (t) => {
    const service = await startTestService(t);
    const { issuerUrl } = service.config;
    const client = await registerClient(service, { slug: 'billing' });
    const form = tokenForm(await assertion(issuerUrl, client), `${issuerUrl}/v1/credentials`);
    const { commit, revoked, successor } = await holdRevocation(service.database.db, 'platform:ES256');
    const answer = postToken(service.url, form);
    await untilBlocked(service.database.db);
    await commit();
    t.match(await answer, { status: 503, body: { error: 'temporarily_unavailable' } });
    const again = await postToken(service.url, form);
    t.equal(again.status, 200);
    t.equal(decodeProtectedHeader(again.body.access_token).kid, successor);
    t.not(revoked, successor);
  },
);

t.test('a client that is met after a revocation has a token of the successor at once', async (t) => {
  const service = await startTestService(t);
  const client = await registerClient(service, { slug: 'billing' });
  const form = tokenForm(
    await assertion(service.config.issuerUrl, client),
    `${service.config.issuerUrl}/v1/credentials`,
  );
  const { commit, successor } = await holdRevocation(service.database.db, 'platform:ES256');
  await commit();
  const { status, body } = await postToken(service.url, form);
  t.equal(status, 200);
  t.equal(decodeProtectedHeader(body.access_token).kid, successor);
});

t.test('an exchange that is decided after a revocation is signed by the successor', async (t) => {
  const { service, credentials } = await openSealWorld(t);
  const { db } = service.database;
  const { id } = await db
    .selectFrom('rings')
    .select('id')
    .where('id', '!=', 'platform:ES256')
    .executeTakeFirstOrThrow();
  const { commit, successor } = await holdRevocation(db, id);
  const answer = credentials();
  await untilBlocked(db);
  await commit();
  t.equal((await answer).status, 200);
  const rows = await db.selectFrom('audit').select('row').where('kind', '=', 'exchange.intent').execute();
  t.same(
    rows.map(({ row }) => JSON.parse(row).details.kid),
    [successor],
  );
});

t.test(
  'no session is handed out on a token whose key was revoked, kept or not, wherever that is not read yet',
  async (t) => {
    const { service, credentials } = await openSealWorld(t);
    const { db } = service.database;
    t.equal((await credentials()).status, 200, 'which is kept');
    const { commit } = await holdRevocation(db, 'platform:ES256');
    const answer = credentials();
    await untilBlocked(db);
    await commit();
    const refused = { status: 401, body: { code: 'invalid_token', detail: /revoked/ } };
    t.match(await answer, refused, 'decided before, on record after');
    t.match(await credentials(), refused);
    const rows = await db.selectFrom('audit').select('row').where('kind', '=', 'credentials.handed_out').execute();
    t.equal(rows.length, 1);
  },
);
