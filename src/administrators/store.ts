// The SQL of administrators.
import { type Selectable, sql } from 'kysely';
import { fromStoredJwks, toStoredJwks } from '../clients/keys.ts';
import type { Client } from '../clients/rules.ts';
import type { Db, Transaction } from '../db/connect.ts';
import type { AdministratorsTable } from '../db/types.ts';
import type { Scope } from '../http/scopes.ts';

/** A person or a program of the security team or the operators: an OAuth client for the API alone. */
export type Administrator = Client;

const COLUMNS = [
  'id',
  'slug',
  'description',
  'state',
  'scopes',
  'jwks',
  'version',
  'created_at',
  'updated_at',
] as const;

function fromRow(row: Selectable<AdministratorsTable>): Administrator {
  const { id, slug, description, state, scopes, jwks, version, created_at, updated_at } = row;
  return {
    ...{ id, slug, description, state, scopes: scopes as Scope[], version, keys: fromStoredJwks(jwks) },
    ...{ created_at: created_at.toISOString(), updated_at: updated_at.toISOString() },
  };
}

/** A slug has no underscore, so that no slug reads as an id. */
function columnOf(reference: string): 'id' | 'slug' {
  return reference.startsWith('ad_') ? 'id' : 'slug';
}

/** @param reference an id or a slug. */
export async function findAdministrator(db: Db, reference: string): Promise<Administrator | undefined> {
  const row = await db
    .selectFrom('administrators')
    .select(COLUMNS)
    .where(columnOf(reference), '=', reference)
    .executeTakeFirst();
  return row && fromRow(row);
}

/** Locks out other changes of this administrator, but not what only refers to it. */
export async function lockAdministrator(trx: Transaction, reference: string): Promise<Administrator | undefined> {
  const row = await trx
    .selectFrom('administrators')
    .select(COLUMNS)
    .where(columnOf(reference), '=', reference)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row && fromRow(row);
}

/** By slug, those after `after`. */
export async function listAdministrators(
  db: Db,
  page: { after: string | undefined; limit: number },
): Promise<Administrator[]> {
  const { after, limit } = page;
  const rows = await db
    .selectFrom('administrators')
    .select(COLUMNS)
    .$if(after !== undefined, (query) => query.where('slug', '>', after as string))
    .orderBy('slug')
    .limit(limit)
    .execute();
  return rows.map(fromRow);
}

export type AdministratorToInsert = Pick<Administrator, 'id' | 'slug' | 'description' | 'scopes' | 'keys'>;

/** @returns undefined when the slug is taken. */
export async function insertAdministrator(
  trx: Transaction,
  administrator: AdministratorToInsert,
): Promise<Administrator | undefined> {
  const { keys, ...columns } = administrator;
  const row = await trx
    .insertInto('administrators')
    .values({ ...columns, state: 'active', jwks: toStoredJwks(keys) })
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .returning(COLUMNS)
    .executeTakeFirst();
  return row && fromRow(row);
}

/** Stores what may change and counts the version up. */
export async function updateAdministrator(trx: Transaction, administrator: Administrator): Promise<Administrator> {
  const { id, description, state, scopes, keys } = administrator;
  const row = await trx
    .updateTable('administrators')
    .set({ description, state, scopes, jwks: toStoredJwks(keys), updated_at: sql<Date>`now()` })
    .set((eb) => ({ version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return fromRow(row);
}
