// Registering a connection: its issuer, its ring and its row in one transaction.
import type { Actor, Done } from '../audit/act.ts';
import { defaultRegion, findPartition, type Partition } from '../clouds/aws-regions.ts';
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import type { Caller } from '../http/caller.ts';
import { createId } from '../ids.ts';
import { insertIssuer } from '../issuers/store.ts';
import type { PreparedRing, Rings } from '../keys/rings.ts';
import { findPolicyFault } from './custom-policy.ts';
import { shortName } from './link.ts';
import { referenceTaken, requireAccessScope } from './refusals.ts';
import type { NewConnection } from './schema.ts';
import { type ConnectionRow, insertConnection, type NewRow } from './store.ts';

/** Refuses what two label grants of one workload would both match. */
export type AssertLabelsUnambiguous = (
  trx: Transaction,
  connection: { connectionId: string; labels: Record<string, string> },
) => Promise<void>;

/**
 * The row that a request asks for, with new ids.
 * @throws Problem `invalid_request`, `insufficient_scope`
 */
export function buildConnection(caller: Caller, request: NewConnection): NewRow {
  const { name, reference = null, tenant = 'default', labels = {}, aws } = request;
  if (tenant !== 'default' || Object.keys(labels).length > 0) requireAccessScope(caller);
  const partition = aws.partition ?? (aws.region === undefined ? undefined : findPartition(aws.region)) ?? 'aws';
  const region = aws.region ?? defaultRegion(partition);
  const fault = findFault(aws, partition, region);
  if (fault !== undefined) throw new Problem('invalid_request', fault, { hint: 'Compare it with openapi.yaml.' });
  const id = createId('cn');
  const role_name = aws.role_name ?? shortName(id);
  return {
    ...{ id, reference, name, tenant, labels, issuer: createId('is'), subject: id },
    ...{ algorithm: request.algorithm ?? 'ES256', max_session_seconds: request.max_session_seconds ?? 3600 },
    ...{ source_identity: request.source_identity ?? false, session_tags: request.session_tags ?? false },
    ...{ account_id: aws.account_id, partition, region, role_name },
    role_arn: `arn:${partition}:iam::${aws.account_id}:role/${role_name}`,
    ...{ permission_set: aws.permission_set, additions: aws.additions ?? [], custom_policy: aws.custom_policy ?? null },
  };
}

function findFault(aws: NewConnection['aws'], partition: Partition, region: string): string | undefined {
  if (findPartition(region) !== partition)
    return `body.aws: the region ${region} is not in the partition ${partition}.`;
  if ((aws.additions?.length ?? 0) > 0 && aws.permission_set !== 'core')
    return 'body.aws: additions belong to the permission set core alone.';
  if ((aws.permission_set === 'custom') !== (aws.custom_policy !== undefined)) {
    return 'body.aws: the permission set custom needs custom_policy, and no other takes one.';
  }
  return aws.custom_policy === undefined ? undefined : findPolicyFault(aws.custom_policy, partition);
}

export interface CreateDeps {
  rings: Pick<Rings, 'insert'>;
  assertLabelsUnambiguous: AssertLabelsUnambiguous;
}

/** @throws Problem `reference_taken`, `grant_would_be_ambiguous` */
export async function createConnection(
  trx: Transaction,
  { rings, assertLabelsUnambiguous }: CreateDeps,
  row: NewRow,
  prepared: PreparedRing,
  actor: Actor,
): Promise<Done<ConnectionRow>> {
  await insertIssuer(trx, { id: row.issuer, kind: 'connection' });
  await rings.insert(trx, prepared, actor);
  await assertLabelsUnambiguous(trx, { connectionId: row.id, labels: row.labels });
  const inserted = await insertConnection(trx, row);
  if (!inserted) throw referenceTaken();
  const { id, reference, name, tenant, labels, issuer, subject, role_arn, permission_set, additions } = row;
  const details = { reference, name, tenant, labels, issuer, subject, role_arn, permission_set, additions };
  return {
    result: inserted,
    records: [{ kind: 'connection.created', connection: id, details }],
    // Nothing that was allowed before rests on it, and a no is never remembered: whoever asks next reads it.
    affectsDecisions: false,
  };
}
