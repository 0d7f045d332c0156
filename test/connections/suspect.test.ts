// What an exchange found out degrades its connection: once, for a reason, and only the connection that was asked.
import t from 'tap';
import { degrade } from '../../src/connections/verification/suspect.ts';
import { insertConnection } from '../clients/connections.ts';
import { openApi } from '../clients/api.ts';

t.test('a connection is degraded with its reason, and asked about again', async (t) => {
  const api = await openApi(t);
  const { db } = api.database;
  const connection = await insertConnection(db, { reference: 'acme' });
  await db.updateTable('connections').set({ state: 'active' }).where('id', '=', connection).execute();
  const read = () =>
    db
      .selectFrom('connections as c')
      .leftJoin('verifications as v', 'v.connection', 'c.id')
      .select(['c.state', 'c.state_reason', 'c.generation', 'v.attempts'])
      .where('c.id', '=', connection)
      .executeTakeFirstOrThrow();
  const { generation } = await read();
  const suspicion = { connection, generation, exchange: `ex_${'a'.repeat(26)}`, roleId: 'AROAOTHER' };
  const epoch = await api.epoch();

  t.equal(await degrade(api.act, { ...suspicion, generation: generation - 1, reason: 'RoleMismatch' }), false);
  t.match(await read(), { state: 'active' }, 'it has changed since');

  t.equal(await degrade(api.act, { ...suspicion, reason: 'RoleMismatch' }), true);
  t.match(await read(), { state: 'degraded', state_reason: 'RoleMismatch', generation: generation + 1, attempts: 0 });
  t.ok((await api.epoch()) > epoch, 'decisions rest on it');
  t.match(await api.records('connection.degraded'), [
    { actor: 'system', connection, details: { was: 'active', reason: 'RoleMismatch', role_id: 'AROAOTHER' } },
  ]);

  const again = { ...suspicion, generation: generation + 1, reason: 'RoleMismatch' as const };
  t.equal(await degrade(api.act, again), false, 'told once');
  t.equal(await degrade(api.act, { ...again, reason: 'role_recreated' }), true, 'for another reason again');
  t.match(await read(), { state: 'degraded', state_reason: 'role_recreated' });

  await db.updateTable('connections').set({ state: 'paused', state_reason: '' }).where('id', '=', connection).execute();
  t.equal(
    await degrade(api.act, { ...again, generation: generation + 2 }),
    false,
    'nothing is known of what is paused',
  );
  t.match(await read(), { state: 'paused', state_reason: '' });
});
