// Whether there is room for trusted issuers, and for people: the migrations may not have run yet.
import type { Db } from './connect.ts';
import { hasTable, requireTable } from './has-table.ts';

const ISSUERS = 'trusted_issuers';
const PEOPLE = 'person_identities';

export const hasFederation = (db: Db): Promise<boolean> => hasTable(db, ISSUERS);

/** @throws Problem `migration_missing` */
export const requireFederation = (db: Db): Promise<void> =>
  requireTable(db, ISSUERS, 'The database has no room for trusted issuers: 0008_federation has not run.');

export const hasPeople = (db: Db): Promise<boolean> => hasTable(db, PEOPLE);

/** @throws Problem `migration_missing` */
export const requirePeople = (db: Db): Promise<void> =>
  requireTable(db, PEOPLE, 'The database has no room for people: 0009_people has not run.');
