// Two label grants of one workload and purpose must not match one connection: whatever would cause it is refused.
//
// Both writers look at what the other writes, so they are serialised on the table `grants`: a new label grant takes it
// SHARE ROW EXCLUSIVE (against other grants and against labels), new labels take it SHARE (against grants alone). The
// lock comes before the look, whose snapshot is then taken behind every earlier holder's commit. Decisions only read,
// and wait for neither.
import { sql } from 'kysely';
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { labelValues, type SelectorColumns } from './selector.ts';

interface Clash {
  grant: string;
  other: string;
  workload: string;
  purpose: string;
}

/**
 * Before a grant is inserted.
 * @throws Problem `grant_would_be_ambiguous`
 */
export async function requireUnambiguousGrant(
  trx: Transaction,
  grant: { workload: string; purpose: string },
  selector: SelectorColumns,
): Promise<void> {
  if (selector.selector_label === null) return;
  await sql`lock table grants in share row exclusive mode`.execute(trx);
  const label = JSON.stringify(selector.selector_label);
  const { rows } = await sql<{ id: string; selector_value: string; connection: string }>`
    -- "materialized" and "offset 0" keep the planner from walking a whole table in the hope of an early first row.
    with g as materialized (
      select id, selector_value, selector_label from grants
      where workload = ${grant.workload} and selector_kind = 'label' and purpose = ${grant.purpose}
        and selector_value <> ${selector.selector_value}
    )
    select g.id, g.selector_value, c.id as connection
    from g
    cross join lateral (
      select id from connections
      where labels @> g.selector_label and labels @> ${label}::jsonb and state <> 'disconnected'
      offset 0
    ) c
    limit 1`.execute(trx);
  const clash = rows[0];
  if (!clash) return;
  throw new Problem(
    'grant_would_be_ambiguous',
    `The connection ${clash.connection} has this label and "${clash.selector_value}", which the grant ${clash.id} of the same workload and purpose selects: neither would serve.`,
    {
      hint: 'Give this grant another purpose, grant that connection by itself, or change its labels.',
      extra: { grants: [clash.id], connection: clash.connection },
    },
  );
}

/**
 * Before a connection gets these labels, at creation as well; the transaction that calls it writes them.
 * @throws Problem `grant_would_be_ambiguous`
 */
export async function assertLabelsUnambiguous(
  trx: Transaction,
  connection: { connectionId: string; labels: Record<string, string> },
): Promise<void> {
  const values = labelValues(connection.labels);
  // One label matches one grant at most of a workload and purpose.
  if (values.length < 2) return;
  await sql`lock table grants in share mode`.execute(trx);
  const { rows } = await sql<Clash>`
    select min(id) as grant, max(id) as other, workload, purpose
    from grants
    where selector_kind = 'label' and selector_value = any(${values}) and ${JSON.stringify(connection.labels)}::jsonb @> selector_label
    group by workload, purpose
    having count(*) > 1
    limit 1`.execute(trx);
  const clash = rows[0];
  if (!clash) return;
  throw new Problem(
    'grant_would_be_ambiguous',
    `With these labels, the grants ${clash.grant} and ${clash.other} of ${clash.workload} for "${clash.purpose}" would both match ${connection.connectionId}: neither would serve.`,
    {
      hint: 'Leave out one of the labels, or delete one of the grants first.',
      extra: { grants: [clash.grant, clash.other] },
    },
  );
}
