// What a workload may use at all, for whatever purpose: for the token endpoint's audiences, and for its list of connections.
import { type RawBuilder, sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import type { ConnectionState } from '../db/types.ts';

/** Whether any grant of this workload selects this connection (both by id). */
export async function mayUseConnection(db: Db, workload: string, connectionId: string): Promise<boolean> {
  const { rows } = await sql<{ granted: boolean }>`
    select exists (
      select from connections c
      cross join lateral (
        select 'connection' as kind, c.id as value
        union all select 'tenant', c.tenant
        union all select 'all', ''
        union all select 'label', l.key || '=' || l.value from jsonb_each_text(c.labels) l
      ) s
      join grants g on g.workload = ${workload} and g.selector_kind = s.kind and g.selector_value = s.value
        and (g.selector_kind <> 'label' or c.labels @> g.selector_label)
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

/**
 * Ids of the connections that this workload's grants select, in order, `limit` at most.
 * Each kind of grant walks an index of its own and stops at the page: no kind looks at every connection for another's sake.
 */
export async function listGrantedConnections(db: Db, workload: string, page: GrantedPage): Promise<string[]> {
  const { after = '', limit, tenant, label, state } = page;
  const conditions: RawBuilder<unknown>[] = [sql`c.id > ${after}`];
  if (tenant !== undefined) conditions.push(sql`c.tenant = ${tenant}`);
  if (label !== undefined) conditions.push(sql`c.labels @> ${JSON.stringify(label)}::jsonb`);
  if (state !== undefined) conditions.push(sql`c.state = ${state}`);
  const wanted = sql.join(conditions, sql` and `);
  const granted = (kind: string, match: RawBuilder<unknown>): RawBuilder<unknown> => sql`
    select found.id
    from (select distinct selector_value, selector_label from grants where workload = ${workload} and selector_kind = ${kind}) g
    cross join lateral (select c.id from connections c where ${match} and ${wanted} order by c.id limit ${limit}) found`;
  const { rows } = await sql<{ id: string }>`
    select id from (
      (select distinct c.id from grants g join connections c on c.id = g.selector_value
        where g.workload = ${workload} and g.selector_kind = 'connection' and g.selector_value > ${after} and ${wanted}
        order by c.id limit ${limit})
      union ${granted('label', sql`c.labels @> g.selector_label`)}
      union ${granted('tenant', sql`c.tenant = g.selector_value`)}
      union ${granted('all', sql`true`)}
    ) granted
    order by id limit ${limit}`.execute(db);
  return rows.map(({ id }) => id);
}
