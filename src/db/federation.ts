// Whether there is room for trusted issuers, and for people: the migrations may not have run yet.
import { Problem } from '../errors.ts';
import type { Db } from './connect.ts';
import { hasTable } from './has-table.ts';

export const hasFederation = (db: Db): Promise<boolean> => hasTable(db, 'trusted_issuers');

/** @throws Problem `migration_missing` */
export async function requireFederation(db: Db): Promise<void> {
  if (await hasFederation(db)) return;
  throw new Problem('migration_missing', 'The database has no room for trusted issuers: 0008_federation has not run.', {
    hint: 'Run `countersign migrate` with MIGRATE_DATABASE_URL as the owner of the tables.',
  });
}

export const hasPeople = (db: Db): Promise<boolean> => hasTable(db, 'person_identities');

/** @throws Problem `migration_missing` */
export async function requirePeople(db: Db): Promise<void> {
  if (await hasPeople(db)) return;
  throw new Problem('migration_missing', 'The database has no room for people: 0009_people has not run.', {
    hint: 'Run `countersign migrate` with MIGRATE_DATABASE_URL as the owner of the tables.',
  });
}
