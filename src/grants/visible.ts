// What a workload may use at all, for whatever purpose: for the token endpoint's audiences, and for its list of connections.
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import type { ConnectionState } from '../db/types.ts';
import { HAS_SELECTOR, selectorsOf } from './selector.ts';

/** Whether any grant of this workload selects this connection (both by id). */
export async function mayUseConnection(db: Db, workload: string, connectionId: string): Promise<boolean> {
  const { rows } = await sql<{ granted: boolean }>`
    select exists (
      select from connections c
      cross join lateral (${selectorsOf()}) s
      cross join lateral (
        select id from grants
        where workload = ${workload} and ${HAS_SELECTOR}
        limit 1
      ) g
      where c.id = ${connectionId}
    ) as granted`.execute(db);
  return rows[0]?.granted ?? false;
}

export interface GrantedPage {
  /** Ids beyond this one. */
  after?: string | undefined;
  limit: number;
  tenant?: string | undefined;
  label?: Record<string, string> | undefined;
  state?: ConnectionState | undefined;
}

/** Labels go into the query as values, because the planner knows how rare a value is, and not how rare a column's is. */
async function readLabels(db: Db, workload: string): Promise<Record<string, string>[]> {
  const { rows } = await sql<{ selector_label: Record<string, string> }>`
    select distinct selector_label from grants where workload = ${workload} and selector_kind = 'label'`.execute(db);
  return rows.map(({ selector_label }) => selector_label);
}

/**
 * Ids of the connections that this workload's grants select, in order, `limit` at most.
 * Each selector walks an index of its own and stops at the page: none looks at every connection for another's sake.
 */
export async function listGrantedConnections(db: Db, workload: string, page: GrantedPage): Promise<string[]> {
  const { after = '', limit, tenant, label, state } = page;
  const contains = (labels: Record<string, string>): RawBuilder<unknown> =>
    sql`c.labels @> ${JSON.stringify(labels)}::jsonb`;
  const conditions: RawBuilder<unknown>[] = [sql`c.id > ${after}`];
  if (tenant !== undefined) conditions.push(sql`c.tenant = ${tenant}`);
  if (label !== undefined) conditions.push(contains(label));
  if (state !== undefined) conditions.push(sql`c.state = ${state}`);
  const wanted = sql.join(conditions, sql` and `);
  const pageOf = (match: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`(select c.id from connections c where ${match} and ${wanted} order by c.id limit ${limit})`;
  const granted = (kind: string): RawBuilder<unknown> =>
    sql`grants where workload = ${workload} and selector_kind = ${kind}`;
  const selections = [
    sql`(select distinct c.id from (select selector_value from ${granted('connection')} and selector_value > ${after}) g
      join connections c on c.id = g.selector_value where ${wanted} order by c.id limit ${limit})`,
    sql`select found.id from (select distinct selector_value from ${granted('tenant')}) g
      cross join lateral ${pageOf(sql`c.tenant = g.selector_value`)} found`,
    pageOf(sql`exists (select from ${granted('all')})`),
    ...(await readLabels(db, workload)).map((labels) => pageOf(contains(labels))),
  ];
  const { rows } = await sql<{ id: string }>`
    select id from (${sql.join(selections, sql` union `)}) granted order by id limit ${limit}`.execute(db);
  return rows.map(({ id }) => id);
}
