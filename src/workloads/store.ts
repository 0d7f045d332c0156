// The SQL of workloads.
import { type Selectable, sql } from 'kysely';
import { fromStoredJwks, toStoredJwks } from '../clients/keys.ts';
import type { Client } from '../clients/rules.ts';
import type { Db, Transaction } from '../db/connect.ts';
import type { WorkloadsTable } from '../db/types.ts';
import type { Scope } from '../http/scopes.ts';

export interface Workload extends Client {
  /** Beyond the service's own: https URLs or URNs. */
  audiences: string[];
  /** How long its tokens may live on after a platform's token that they were given for; seconds. */
  max_outlive_seconds: number;
}

/** Of the whole row: before migration 0008 there is no such column, and it is 0. */
export const MAX_OUTLIVE = sql<number>`coalesce((to_jsonb(workloads) ->> 'max_outlive_seconds')::integer, 0)`;

const COLUMNS = [
  'id',
  'slug',
  'description',
  'state',
  'scopes',
  'audiences',
  'jwks',
  'version',
  'created_at',
  'updated_at',
  MAX_OUTLIVE.as('max_outlive_seconds'),
] as const;

function fromRow(row: Selectable<WorkloadsTable>): Workload {
  const { id, slug, description, state, scopes, audiences, jwks, version, max_outlive_seconds } = row;
  const { created_at, updated_at } = row;
  return {
    ...{ id, slug, description, state, scopes: scopes as Scope[], audiences, version, keys: fromStoredJwks(jwks) },
    max_outlive_seconds,
    ...{ created_at: created_at.toISOString(), updated_at: updated_at.toISOString() },
  };
}

/** A slug has no underscore, so that no slug reads as an id. */
function columnOf(reference: string): 'id' | 'slug' {
  return reference.startsWith('wl_') ? 'id' : 'slug';
}

/** @param reference an id or a slug. */
export async function findWorkload(db: Db, reference: string): Promise<Workload | undefined> {
  const row = await db
    .selectFrom('workloads')
    .select(COLUMNS)
    .where(columnOf(reference), '=', reference)
    .executeTakeFirst();
  return row && fromRow(row);
}

/** Locks out other changes of this workload, but not the grants and acts that only refer to it. */
export async function lockWorkload(trx: Transaction, reference: string): Promise<Workload | undefined> {
  const row = await trx
    .selectFrom('workloads')
    .select(COLUMNS)
    .where(columnOf(reference), '=', reference)
    .forNoKeyUpdate()
    .executeTakeFirst();
  return row && fromRow(row);
}

/** By slug, those after `after`. */
export async function listWorkloads(db: Db, page: { after: string | undefined; limit: number }): Promise<Workload[]> {
  const { after, limit } = page;
  const rows = await db
    .selectFrom('workloads')
    .select(COLUMNS)
    .$if(after !== undefined, (query) => query.where('slug', '>', after as string))
    .orderBy('slug')
    .limit(limit)
    .execute();
  return rows.map(fromRow);
}

export type WorkloadToInsert = Pick<Workload, 'id' | 'slug' | 'description' | 'scopes' | 'audiences' | 'keys'>;

/** @returns undefined when the slug is taken. */
export async function insertWorkload(trx: Transaction, workload: WorkloadToInsert): Promise<Workload | undefined> {
  const { keys, ...columns } = workload;
  const row = await trx
    .insertInto('workloads')
    .values({ ...columns, state: 'active', jwks: toStoredJwks(keys) })
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .returning(COLUMNS)
    .executeTakeFirst();
  return row && fromRow(row);
}

/**
 * Stores what may change and counts the version up.
 * @param maxOutlive given where that changes: before migration 0008 there is no room for it
 */
export async function updateWorkload(trx: Transaction, workload: Workload, maxOutlive?: number): Promise<Workload> {
  const { id, description, state, scopes, audiences, keys } = workload;
  const row = await trx
    .updateTable('workloads')
    .set({ description, state, scopes, audiences, jwks: toStoredJwks(keys), updated_at: sql<Date>`now()` })
    .set((eb) => ({ version: eb('version', '+', 1) }))
    .$if(maxOutlive !== undefined, (query) => query.set({ max_outlive_seconds: maxOutlive as number }))
    .where('id', '=', id)
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return fromRow(row);
}
