// Where a migration has not run yet: each thing that needs its table says which, to the letter, and what to run.
import { sql } from 'kysely';
import t from 'tap';
import { requireFederation, requirePeople } from '../../src/db/federation.ts';
import { changePolicy } from '../../src/keys/change-policy.ts';
import { chooseSigner } from '../../src/keys/held/choose.ts';
import { rotateKek } from '../../src/keys/keyring/rotation.ts';
import { requireTables } from '../../src/publishing/targets.ts';
import { startTestService } from '../support/service.ts';

const HINT = 'Run `countersign migrate` with MIGRATE_DATABASE_URL as the owner of the tables.';

t.test('each says what has not run, and how to run it', async (t) => {
  const service = await startTestService(t);
  const { db } = service.database;
  const deps = { db } as never;
  const actor = { id: 'host', reason: 'a test', confirm: async () => {} };
  const asked: [table: string, ask: () => Promise<unknown>, detail: string][] = [
    [
      'trusted_issuers',
      () => requireFederation(db),
      'The database has no room for trusted issuers: 0008_federation has not run.',
    ],
    ['person_identities', () => requirePeople(db), 'The database has no room for people: 0009_people has not run.'],
    [
      'publishing_targets',
      () => requireTables(db),
      'The database has no room for static publishing: 0007_publishing has not run.',
    ],
    [
      'held_keys',
      () => chooseSigner(deps, { ring: 'ri_x', signer: 'local' }, actor),
      'The migration 0006_key_custody has not run.',
    ],
    ['kek_rotations', () => rotateKek(deps, undefined, actor), 'The migration 0006_key_custody has not run.'],
    [
      'rotation_plan',
      () => changePolicy(deps, { policy: {} as never, replaces: 1, dryRun: true }, actor),
      'The queue could not follow: the migration 0004_rotation has not run.',
    ],
  ];
  for (const [table, ask, detail] of asked) {
    await sql`alter table ${sql.table(table)} rename to away`.execute(db);
    await t.rejects(ask(), { code: 'migration_missing', message: detail, options: { hint: HINT } }, table);
    await sql`alter table away rename to ${sql.table(table)}`.execute(db);
  }
  await requireFederation(db);
  await requireTables(db);

  await sql`alter table rotation_runs rename to away`.execute(db);
  const { status, body } = await service.call('GET', '/v1/rotations');
  t.equal(status, 409);
  t.match(body, {
    ...{ code: 'migration_missing', hint: HINT },
    detail: 'There is no room for rotations: the migration 0004_rotation has not run.',
  });
});
