// The one decision: which grant applies, what it answers, and what a caller without one can learn.
import { sql } from 'kysely';
import t, { type Test } from 'tap';
import type { Db } from '../../src/db/connect.ts';
import type { ConnectionState } from '../../src/db/types.ts';
import { decide } from '../../src/grants/decide.ts';
import { type Selector, toColumns } from '../../src/grants/selector.ts';
import { insertGrant } from '../../src/grants/store.ts';
import { mayUseConnection } from '../../src/grants/visible.ts';
import { createId } from '../../src/ids.ts';
import { insertWorkload } from '../../src/workloads/store.ts';
import { insertConnection } from '../clients/connections.ts';
import { openTestDatabase } from '../support/databases.ts';

const KID = 'the-key-that-signed';

interface World {
  db: Db;
  workload: string;
  /** Grants, whatever the routes would say. */
  grant(selector: Selector, limits?: { purpose?: string; seconds?: number; workload?: string }): Promise<string>;
  ask(connection: string, purpose?: string): ReturnType<typeof decide>;
}

async function openWorld(t: Test): Promise<World> {
  const { db } = await openTestDatabase(t);
  const workload = createId('wl');
  const register = (id: string, slug: string) =>
    db
      .transaction()
      .execute((trx) => insertWorkload(trx, { id, slug, description: '', scopes: [], audiences: [], keys: [] }));
  await register(workload, 'billing');
  return {
    ...{ db, workload },
    grant: async (selector, { purpose = 'default', seconds = 3600, workload: other = workload } = {}) => {
      const id = createId('gr');
      const limits = { max_session_seconds: seconds, session_policy: null, policy_arns: [], tags: {} };
      await db
        .transaction()
        .execute((trx) => insertGrant(trx, { id, workload: other, purpose, ...limits }, toColumns(selector)));
      return id;
    },
    ask: (connection, purpose = 'default') => decide(db, { workload, connection, purpose, kid: KID }),
  };
}

t.test('a decision carries all that the broker needs, of one snapshot', async (t) => {
  const world = await openWorld(t);
  const id = await insertConnection(world.db, {
    reference: 'acme-prod',
    tenant: 'acme',
    labels: { env: 'prod' },
    max_session_seconds: 7200,
  });
  await world.db.updateTable('policy_epoch').set({ epoch: 41 }).execute();
  const grant = createId('gr');
  const session_policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] };
  const limits = {
    max_session_seconds: 1800,
    session_policy,
    policy_arns: ['arn:aws:iam::aws:policy/ReadOnlyAccess'],
    tags: { team: 'billing' },
  };
  await world.db
    .transaction()
    .execute((trx) =>
      insertGrant(
        trx,
        { id: grant, workload: world.workload, purpose: 'audit', ...limits },
        toColumns({ connection: id }),
      ),
    );
  const issuer = await world.db
    .selectFrom('connections')
    .select('issuer')
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  const wanted = {
    epoch: 41,
    sealChangedAt: undefined,
    workload: { id: world.workload, slug: 'billing', version: 1 },
    connection: {
      ...{
        id,
        reference: 'acme-prod',
        tenant: 'acme',
        issuer: issuer.issuer,
        subject: id,
        algorithm: 'ES256',
        generation: 1,
        state: 'active',
      },
      ...{ max_session_seconds: 7200, source_identity: true, session_tags: false, settled: false },
    },
    aws: {
      ...{ account_id: '123456789012', partition: 'aws', region: 'eu-west-1', role_name: 'countersign' },
      ...{ role_arn: 'arn:aws:iam::123456789012:role/countersign', role_id: 'AROAEXAMPLE' },
    },
    grant: { id: grant, version: 1, purpose: 'audit', ...limits },
  };
  t.strictSame(await world.ask(id, 'audit'), wanted);
  t.strictSame(await world.ask('acme-prod', 'audit'), wanted, 'by reference');
  const since = (seconds: number) =>
    sql`update connections set state_since = now() - make_interval(secs => ${seconds}) where id = ${id}`.execute(
      world.db,
    );
  await since(50);
  t.equal((await world.ask(id, 'audit')).connection.settled, false, 'its state is younger than a minute');
  await since(70);
  t.equal((await world.ask(id, 'audit')).connection.settled, true);
});

t.test('connection before label before tenant before all; no falling through to a wider one', async (t) => {
  const world = await openWorld(t);
  const id = await insertConnection(world.db, { tenant: 'acme', labels: { env: 'prod', tier: '1' } });
  const chosen = async () => (await world.ask(id)).grant.id;
  await t.rejects(world.ask(id), { code: 'not_found' });
  for (const selector of [{ all: true }, { tenant: 'acme' }, { label: 'env=prod' }, { connection: id }] as Selector[]) {
    const grant = await world.grant(selector, { seconds: 900 });
    t.equal(await chosen(), grant, JSON.stringify(selector));
  }
  await world.db
    .updateTable('grants')
    .set({ max_session_seconds: 43_200 })
    .where('selector_kind', '=', 'all')
    .execute();
  t.equal((await world.ask(id)).grant.max_session_seconds, 900, 'the narrow one limits');
});

t.test('a grant is for its purpose alone', async (t) => {
  const world = await openWorld(t);
  const id = await insertConnection(world.db);
  const backup = await world.grant({ all: true }, { purpose: 'backup' });
  await t.rejects(world.ask(id), { code: 'not_found' });
  t.equal((await world.ask(id, 'backup')).grant.id, backup);
});

t.test('a grant is for its workload alone', async (t) => {
  const world = await openWorld(t);
  const id = await insertConnection(world.db);
  const other = createId('wl');
  await world.db
    .transaction()
    .execute((trx) =>
      insertWorkload(trx, { id: other, slug: 'other', description: '', scopes: [], audiences: [], keys: [] }),
    );
  for (const selector of [{ all: true }, { connection: id }, { tenant: 'default' }] as Selector[])
    await world.grant(selector, { workload: other });
  await t.rejects(world.ask(id), { code: 'not_found' });
  t.notOk(await mayUseConnection(world.db, world.workload, id));
  t.ok(await mayUseConnection(world.db, other, id));
});

t.test('a selector matches its own tenant, label and connection, and nothing that looks like them', async (t) => {
  const world = await openWorld(t);
  const acme = await insertConnection(world.db, {
    reference: 'acme',
    tenant: 'acme',
    labels: { env: 'prod', tenant: 'beta' },
  });
  const other = await insertConnection(world.db, {
    reference: 'other',
    tenant: 'ACME',
    labels: { env: 'dev', 'env=prod': '', tenant: 'acme', acme: 'x' },
  });
  const reaches = async (connection: string) => {
    const found = await world.ask(connection).catch((error: { code: string }) => error.code);
    const granted = typeof found === 'object';
    t.equal(await mayUseConnection(world.db, world.workload, connection), granted, 'the token endpoint agrees');
    return granted;
  };
  const selectors: [Selector, boolean, boolean][] = [
    [{ tenant: 'acme' }, true, false],
    [{ tenant: 'ACME' }, false, true],
    [{ tenant: 'Acme' }, false, false],
    [{ tenant: 'acme ' }, false, false],
    [{ tenant: 'acm%' }, false, false],
    [{ tenant: '' }, false, false],
    [{ tenant: acme }, false, false],
    [{ label: 'env=prod' }, true, false],
    [{ label: 'env=pro' }, false, false],
    [{ label: 'env=' }, false, false],
    [{ label: 'env=prod=' }, false, false],
    [{ label: 'ENV=prod' }, false, false],
    [{ connection: acme }, true, false],
    [{ connection: 'acme' }, false, false],
    [{ all: true }, true, true],
  ];
  for (const [selector, first, second] of selectors) {
    const id = await world.grant(selector);
    t.strictSame([await reaches(acme), await reaches(other)], [first, second], JSON.stringify(selector));
    await world.db.deleteFrom('grants').where('id', '=', id).execute();
  }
});

t.test('two labels that match: neither serves, both are named; a grant of the connection settles it', async (t) => {
  const world = await openWorld(t);
  const id = await insertConnection(world.db, { tenant: 'acme', labels: { env: 'prod', tier: '1' } });
  await world.grant({ all: true });
  const grants = [await world.grant({ label: 'env=prod' }), await world.grant({ label: 'tier=1' })].sort();
  const refusal = { code: 'grant_ambiguous', message: /env=prod.*|tier=1/, options: { hint: /\S/, extra: { grants } } };
  await t.rejects(world.ask(id), refusal);
  await t.rejects(world.ask(id), { message: new RegExp(`${grants[0]}.*${grants[1]}`) });
  const own = await world.grant({ connection: id });
  t.equal((await world.ask(id)).grant.id, own);
});

t.test('not granted and not there look the same', async (t) => {
  const world = await openWorld(t);
  const hidden = await insertConnection(world.db, { reference: 'hidden' });
  const paused = await insertConnection(world.db, { state: 'paused', state_reason: 'theirs' });
  await world.grant({ tenant: 'somebody' });
  const answer = async (connection: string) => {
    const error = await world.ask(connection).then(
      () => t.fail('granted'),
      (problem) => problem,
    );
    return JSON.stringify([error.code, error.status, error.message, error.options]).replaceAll(
      connection,
      '<connection>',
    );
  };
  const nowhere = await answer(createId('cn'));
  t.equal(await answer(hidden), nowhere);
  t.equal(await answer(paused), nowhere, 'its state does not show');
  t.equal(await answer('hidden'), nowhere);
  t.equal(await answer('nowhere'), nowhere);
  t.match(nowhere, /not_found.*grant/);
  for (const odd of [
    '',
    ' ',
    "' or true --",
    'a/b',
    '\u0000',
    '\ud800',
    'x'.repeat(65),
    `${hidden} `,
    hidden.toUpperCase(),
  ]) {
    await t.rejects(world.ask(odd), { code: 'not_found' }, JSON.stringify(odd));
  }
});

t.test('active and degraded are brokered, nothing else, and the answer says why', async (t) => {
  const world = await openWorld(t);
  await world.grant({ all: true });
  const states: [ConnectionState, boolean][] = [
    ...([
      ['active', true],
      ['degraded', true],
      ['pending', false],
      ['verifying', false],
    ] as [ConnectionState, boolean][]),
    ...([
      ['unsafe', false],
      ['paused', false],
      ['disconnected', false],
    ] as [ConnectionState, boolean][]),
  ];
  for (const [state, brokered] of states) {
    const id = await insertConnection(world.db, { state, state_reason: 'because' });
    if (brokered) t.equal((await world.ask(id)).connection.state, state);
    else {
      const options = { hint: /\S/, extra: { state, state_reason: 'because' } };
      await t.rejects(world.ask(id), {
        code: 'connection_not_active',
        status: 409,
        message: new RegExp(`${state}: because`),
        options,
      });
    }
  }
});

t.test('a suspended workload gets nothing, before anything else is said', async (t) => {
  const world = await openWorld(t);
  const id = await insertConnection(world.db);
  await world.grant({ all: true });
  await world.db.updateTable('workloads').set({ state: 'suspended' }).execute();
  await t.rejects(world.ask(id), { code: 'workload_suspended', status: 403, options: { hint: /\S/ } });
  await t.rejects(world.ask('nowhere'), { code: 'workload_suspended' });
  await t.rejects(decide(world.db, { workload: createId('wl'), connection: id, purpose: 'default', kid: KID }), {
    code: 'invalid_token',
  });
});
