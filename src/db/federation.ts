// Whether there is room for trusted issuers: the migration may not have run yet.
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
