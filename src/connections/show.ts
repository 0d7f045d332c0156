// A connection as the API shows it.
import { issuerUrlOf } from '../issuers/documents.ts';
import { warnOfCeiling } from './ceiling.ts';
import type { Connection } from './schema.ts';
import type { ConnectionRow } from './store.ts';

export function showConnection(row: ConnectionRow, issuerUrl: string): Connection {
  const { started_at, next_at } = row;
  const warnings = warnOfCeiling(row.max_session_seconds);
  return {
    ...{ id: row.id, reference: row.reference, name: row.name, tenant: row.tenant, labels: row.labels },
    ...{ state: row.state, state_reason: row.state_reason, state_since: row.state_since.toISOString() },
    issuer: { id: row.issuer, url: issuerUrlOf(issuerUrl, row.issuer) },
    ...{ subject: row.subject, algorithm: row.algorithm, max_session_seconds: row.max_session_seconds },
    ...{ source_identity: row.source_identity, session_tags: row.session_tags, generation: row.generation },
    aws: {
      ...{ account_id: row.account_id, partition: row.partition, region: row.region },
      ...{ role_name: row.role_name, role_arn: row.role_arn, role_id: row.role_id },
      ...{ permission_set: row.permission_set, additions: row.additions, custom_policy: row.custom_policy },
      verified_at: row.verified_at?.toISOString() ?? null,
    },
    verification:
      started_at === null || next_at === null
        ? null
        : {
            ...{ started_at: started_at.toISOString(), attempts: row.attempts ?? 0, next_at: next_at.toISOString() },
            ...{ last_code: row.last_code, last_detail: row.last_detail },
          },
    ...{ created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString() },
    ...(warnings.length > 0 ? { warnings } : {}),
  };
}
