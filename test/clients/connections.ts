// Connections as rows, for tests of what is granted on them.
import type { Db } from '../../src/db/connect.ts';
import type { ConnectionState } from '../../src/db/types.ts';
import { createId } from '../../src/ids.ts';

export interface ConnectionRow {
  id?: string;
  reference?: string;
  tenant?: string;
  labels?: Record<string, string>;
  state?: ConnectionState;
  state_reason?: string;
  max_session_seconds?: number;
}

export async function insertConnection(db: Db, given: ConnectionRow = {}): Promise<string> {
  const {
    id = createId('cn'),
    reference = null,
    tenant = 'default',
    labels = {},
    state = 'active',
    state_reason = '',
  } = given;
  const issuer = createId('is');
  await db.insertInto('issuers').values({ id: issuer, kind: 'connection' }).execute();
  await db
    .insertInto('connections')
    .values({
      ...{ id, reference, name: 'Acme', tenant, labels: JSON.stringify(labels), cloud: 'aws', issuer, subject: id },
      ...{ algorithm: 'ES256', state, state_reason, max_session_seconds: given.max_session_seconds ?? 3600 },
      ...{ source_identity: true, session_tags: false },
    })
    .execute();
  await db
    .insertInto('aws_connections')
    .values({
      ...{
        connection: id,
        account_id: '123456789012',
        partition: 'aws',
        region: 'eu-west-1',
        role_name: 'countersign',
      },
      ...{
        role_arn: 'arn:aws:iam::123456789012:role/countersign',
        permission_set: 'read-only',
        additions: [],
        custom_policy: null,
      },
      ...{ role_id: 'AROAEXAMPLE', verified_at: null },
    })
    .execute();
  return id;
}
