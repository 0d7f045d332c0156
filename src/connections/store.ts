// Rows of connections, and of what is AWS's about them.
import { type Selectable, sql } from 'kysely';
import { isUniqueViolation } from '../audit/store.ts';
import type { Partition } from '../clouds/aws-regions.ts';
import type { Db, Transaction } from '../db/connect.ts';
import type { AwsConnectionsTable, ConnectionState, ConnectionsTable } from '../db/types.ts';
import type { Addition, PermissionSet } from './permission-sets.ts';

type ConnectionColumns = Omit<Selectable<ConnectionsTable>, 'cloud'>;
type AwsColumns = Omit<Selectable<AwsConnectionsTable>, 'connection' | 'partition' | 'permission_set' | 'additions'>;

export interface ConnectionRow extends ConnectionColumns, AwsColumns {
  partition: Partition;
  permission_set: PermissionSet;
  additions: Addition[];
  /** Of its verification, while there is one. */
  started_at: Date | null;
  attempts: number | null;
  next_at: Date | null;
  last_code: string | null;
  last_detail: string | null;
}

const COLUMNS = [
  ...([
    'c.id',
    'c.reference',
    'c.name',
    'c.tenant',
    'c.labels',
    'c.issuer',
    'c.subject',
    'c.algorithm',
    'c.state',
  ] as const),
  ...(['c.state_reason', 'c.state_since', 'c.max_session_seconds', 'c.source_identity', 'c.session_tags'] as const),
  ...([
    'c.generation',
    'c.created_at',
    'c.updated_at',
    'a.account_id',
    'a.partition',
    'a.region',
    'a.role_name',
  ] as const),
  ...(['a.role_arn', 'a.permission_set', 'a.additions', 'a.custom_policy', 'a.role_id', 'a.verified_at'] as const),
  ...(['v.started_at', 'v.attempts', 'v.next_at', 'v.last_code', 'v.last_detail'] as const),
] as const;

function selectConnections(db: Db) {
  return db
    .selectFrom('connections as c')
    .innerJoin('aws_connections as a', 'a.connection', 'c.id')
    .leftJoin('verifications as v', 'v.connection', 'c.id')
    .select(COLUMNS);
}

/** A reference never begins like an id. */
function columnOf(idOrReference: string): 'c.id' | 'c.reference' {
  return idOrReference.startsWith('cn_') ? 'c.id' : 'c.reference';
}

export async function findConnection(db: Db, idOrReference: string): Promise<ConnectionRow | undefined> {
  const row = await selectConnections(db).where(columnOf(idOrReference), '=', idOrReference).executeTakeFirst();
  return row as ConnectionRow | undefined;
}

/** Locks the connection's row; everything that changes a connection or its verification takes it first. */
export async function lockConnection(trx: Transaction, idOrReference: string): Promise<ConnectionRow | undefined> {
  const locked = await trx
    .selectFrom('connections as c')
    .select('c.id')
    .where(columnOf(idOrReference), '=', idOrReference)
    .forUpdate()
    .executeTakeFirst();
  // Read behind the lock: the statement that waited for it saw the row as it was before.
  return locked && findConnection(trx, locked.id);
}

/** In the order of the ids; what is missing is left out. */
export async function findConnections(db: Db, ids: readonly string[]): Promise<ConnectionRow[]> {
  if (ids.length === 0) return [];
  return (await selectConnections(db)
    .where('c.id', 'in', [...ids])
    .orderBy('c.id')
    .execute()) as ConnectionRow[];
}

/** The connection by which an issuer's keys are shown to STS: one that is brokered, with a role that STS has shown. */
export async function findProvingConnection(db: Db, issuer: string): Promise<ConnectionRow | undefined> {
  const row = await selectConnections(db)
    .where('c.issuer', '=', issuer)
    .where('c.state', 'in', ['active', 'degraded'])
    .where('a.role_id', 'is not', null)
    .orderBy('c.state')
    .orderBy('c.id')
    .limit(1)
    .executeTakeFirst();
  return row as ConnectionRow | undefined;
}

export interface ConnectionFilter {
  tenant?: string | undefined;
  label?: Record<string, string> | undefined;
  /** Any but `disconnected`, unless named. */
  state?: ConnectionState | undefined;
}

export async function listConnections(
  db: Db,
  page: ConnectionFilter & { after?: string | undefined; limit: number },
): Promise<ConnectionRow[]> {
  const { tenant, label, state, after, limit } = page;
  let query = selectConnections(db).orderBy('c.id').limit(limit);
  query = state === undefined ? query.where('c.state', '!=', 'disconnected') : query.where('c.state', '=', state);
  if (tenant !== undefined) query = query.where('c.tenant', '=', tenant);
  if (label !== undefined) query = query.where(sql<boolean>`c.labels @> ${JSON.stringify(label)}::jsonb`);
  if (after !== undefined) query = query.where('c.id', '>', after);
  return (await query.execute()) as ConnectionRow[];
}

export type NewRow = Pick<
  ConnectionRow,
  | ('id' | 'reference' | 'name' | 'tenant' | 'labels' | 'issuer' | 'subject' | 'algorithm' | 'max_session_seconds')
  | ('source_identity' | 'session_tags' | 'account_id' | 'partition' | 'region' | 'role_name' | 'role_arn')
  | ('permission_set' | 'additions' | 'custom_policy')
>;

const UNVERIFIED = { started_at: null, attempts: null, next_at: null, last_code: null, last_detail: null } as const;

/** The issuer's row must be there. @returns undefined when the reference is taken. */
export async function insertConnection(trx: Transaction, row: NewRow): Promise<ConnectionRow | undefined> {
  const {
    account_id,
    partition,
    region,
    role_name,
    role_arn,
    permission_set,
    additions,
    custom_policy,
    ...connection
  } = row;
  const inserted = await trx
    .insertInto('connections')
    .values({ ...connection, labels: JSON.stringify(connection.labels), cloud: 'aws', state: 'pending' })
    .onConflict((conflict) => conflict.column('reference').doNothing())
    .returningAll()
    .executeTakeFirst();
  if (!inserted) return undefined;
  const atAws = await trx
    .insertInto('aws_connections')
    .values({
      ...{ connection: row.id, account_id, partition, region, role_name, role_arn, permission_set, additions },
      custom_policy: custom_policy === null ? null : JSON.stringify(custom_policy),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  const { cloud: _cloud, ...ours } = inserted;
  const { connection: _connection, ...theirs } = atAws;
  return { ...ours, ...theirs, ...UNVERIFIED } as ConnectionRow;
}

export type Settings = Partial<
  Pick<
    ConnectionRow,
    'name' | 'reference' | 'tenant' | 'labels' | 'max_session_seconds' | 'source_identity' | 'session_tags'
  >
>;

/** @returns false when the reference is another connection's; the transaction is then lost. */
export async function updateSettings(
  trx: Transaction,
  id: string,
  { labels, ...settings }: Settings,
): Promise<boolean> {
  try {
    await trx
      .updateTable('connections')
      .set({ ...settings, ...(labels === undefined ? {} : { labels: JSON.stringify(labels) }) })
      .set((eb) => ({ generation: eb('generation', '+', 1), updated_at: eb.fn<Date>('now') }))
      .where('id', '=', id)
      .execute();
    return true;
  } catch (error) {
    if (isUniqueViolation(error)) return false;
    throw error;
  }
}

export async function updateState(trx: Transaction, id: string, state: ConnectionState, reason: string): Promise<void> {
  await trx
    .updateTable('connections')
    .set((eb) => ({
      ...{ state, state_reason: reason, state_since: eb.fn<Date>('now') },
      ...{ generation: eb('generation', '+', 1), updated_at: eb.fn<Date>('now') },
    }))
    .where('id', '=', id)
    .execute();
}

/** Pins what STS showed, or (null) forgets it, when somebody accepts a role that was re-created. */
export async function updateRoleId(trx: Transaction, id: string, roleId: string | null): Promise<void> {
  await trx
    .updateTable('aws_connections')
    .set((eb) => ({ role_id: roleId, ...(roleId === null ? {} : { verified_at: eb.fn<Date>('now') }) }))
    .where('connection', '=', id)
    .execute();
}

/** The tombstone keeps everything but the reference, which is free for the next connection. */
export async function releaseReference(trx: Transaction, id: string): Promise<void> {
  await trx.updateTable('connections').set({ reference: null }).where('id', '=', id).execute();
}
