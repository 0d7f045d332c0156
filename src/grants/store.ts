// The SQL of grants.
import { type Selectable, sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import type { GrantsTable } from '../db/types.ts';
import { fromColumns, type Selector, type SelectorColumns } from './selector.ts';

export interface Grant {
  id: string;
  /** `wl_…` */
  workload: string;
  selector: Selector;
  purpose: string;
  max_session_seconds: number;
  /** An IAM policy document. */
  session_policy: Record<string, unknown> | null;
  policy_arns: string[];
  tags: Record<string, string>;
  version: number;
  /** RFC 3339. */
  created_at: string;
  updated_at: string;
}

const COLUMNS = [
  ...(['id', 'workload', 'selector_kind', 'selector_value', 'purpose', 'max_session_seconds'] as const),
  ...(['session_policy', 'policy_arns', 'tags', 'version', 'created_at', 'updated_at'] as const),
];

function fromRow(row: Selectable<Omit<GrantsTable, 'selector_label'>>): Grant {
  const { selector_kind, selector_value, created_at, updated_at, ...same } = row;
  return {
    ...same,
    selector: fromColumns({ selector_kind, selector_value }),
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
  };
}

export async function findGrant(db: Db, id: string): Promise<Grant | undefined> {
  const row = await db.selectFrom('grants').select(COLUMNS).where('id', '=', id).executeTakeFirst();
  return row && fromRow(row);
}

export async function lockGrant(trx: Transaction, id: string): Promise<Grant | undefined> {
  const row = await trx.selectFrom('grants').select(COLUMNS).where('id', '=', id).forUpdate().executeTakeFirst();
  return row && fromRow(row);
}

/** By id, those after `after`; of one workload (its id) where given. */
export async function listGrants(
  db: Db,
  page: { workload?: string; after: string | undefined; limit: number },
): Promise<Grant[]> {
  const { workload, after, limit } = page;
  const rows = await db
    .selectFrom('grants')
    .select(COLUMNS)
    .$if(workload !== undefined, (query) => query.where('workload', '=', workload as string))
    .$if(after !== undefined, (query) => query.where('id', '>', after as string))
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(fromRow);
}

export type GrantToInsert = Omit<Grant, 'selector' | 'version' | 'created_at' | 'updated_at'>;

const toJson = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));

/** @returns undefined when this workload has a grant of this selector and purpose. */
export async function insertGrant(
  trx: Transaction,
  grant: GrantToInsert,
  selector: SelectorColumns,
): Promise<Grant | undefined> {
  const { session_policy, tags, ...columns } = grant;
  const row = await trx
    .insertInto('grants')
    .values({
      ...columns,
      ...{ session_policy: toJson(session_policy), tags: JSON.stringify(tags) },
      ...{ selector_kind: selector.selector_kind, selector_value: selector.selector_value },
      selector_label: toJson(selector.selector_label),
    })
    .onConflict((conflict) => conflict.columns(['workload', 'selector_kind', 'selector_value', 'purpose']).doNothing())
    .returning(COLUMNS)
    .executeTakeFirst();
  return row && fromRow(row);
}

export type SameGrant = Pick<GrantToInsert, 'workload' | 'purpose'> &
  Pick<SelectorColumns, 'selector_kind' | 'selector_value'>;

/** The id of the grant that stands in the way of another like it. */
export async function findSameGrant(db: Db, same: SameGrant): Promise<string | undefined> {
  const row = await db
    .selectFrom('grants')
    .select('id')
    .where('workload', '=', same.workload)
    .where('selector_kind', '=', same.selector_kind)
    .where('selector_value', '=', same.selector_value)
    .where('purpose', '=', same.purpose)
    .executeTakeFirst();
  return row?.id;
}

/** Stores what may change and counts the version up. */
export async function updateGrant(trx: Transaction, grant: Grant): Promise<Grant> {
  const { id, max_session_seconds, session_policy, policy_arns, tags } = grant;
  const row = await trx
    .updateTable('grants')
    .set({
      max_session_seconds,
      policy_arns,
      session_policy: toJson(session_policy),
      tags: JSON.stringify(tags),
      updated_at: sql<Date>`now()`,
    })
    .set((eb) => ({ version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return fromRow(row);
}

export async function deleteGrant(trx: Transaction, id: string): Promise<void> {
  await trx.deleteFrom('grants').where('id', '=', id).execute();
}

/** Whether a workload has any grant at all. */
export async function holdsGrants(db: Db, workload: string): Promise<boolean> {
  return (
    (await db.selectFrom('grants').select('id').where('workload', '=', workload).limit(1).executeTakeFirst()) !==
    undefined
  );
}
