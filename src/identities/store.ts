// The SQL of workload identities; and what a token is held against, in one snapshot with the policy epoch.
import { type Selectable, sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import type { WorkloadIdentitiesTable } from '../db/federation-types.ts';
import { EPOCH_ROW, type EpochRow, standingOf } from '../seal/store.ts';
import type { TrustedIssuer } from '../trusted-issuers/store.ts';
import type { Rule } from './match.ts';

export interface Identity extends Rule {
  /** `wi_…` */
  id: string;
  /** `wl_…` */
  workload: string;
  /** `ti_…` */
  trusted_issuer: string;
  /** Lets nobody in: what it would match is on record. */
  report_only: boolean;
  /** Why a wildcard was allowed. */
  wildcard_reason: string | null;
  version: number;
  /** RFC 3339. */
  created_at: string;
  updated_at: string;
}

const COLUMNS = [
  ...(['id', 'workload', 'trusted_issuer', 'subject', 'claims', 'report_only', 'wildcard_reason'] as const),
  ...(['version', 'created_at', 'updated_at'] as const),
];

function fromRow({ created_at, updated_at, ...same }: Selectable<WorkloadIdentitiesTable>): Identity {
  return { ...same, created_at: created_at.toISOString(), updated_at: updated_at.toISOString() };
}

/** All of a workload, by id. */
export async function listIdentities(db: Db, workload: string): Promise<Identity[]> {
  const found = db.selectFrom('workload_identities').select(COLUMNS).where('workload', '=', workload).orderBy('id');
  return (await found.execute()).map(fromRow);
}

export async function lockIdentity(trx: Transaction, workload: string, id: string): Promise<Identity | undefined> {
  const found = trx.selectFrom('workload_identities').select(COLUMNS).where('workload', '=', workload);
  const row = await found.where('id', '=', id).forUpdate().executeTakeFirst();
  return row && fromRow(row);
}

/**
 * Those of an issuer whose subject could meet this one: it, what is begun by it, and what begins it.
 * @param taking every subject that takes it
 */
export async function listNear(
  trx: Transaction,
  issuer: string,
  subject: string,
  taking: string[],
): Promise<Identity[]> {
  const rows = await trx
    .selectFrom('workload_identities')
    .select(COLUMNS)
    .where('trusted_issuer', '=', issuer)
    .$if(!subject.endsWith('*'), (query) => query.where('subject', 'in', taking))
    .$if(subject.endsWith('*'), (query) =>
      query.where((row) =>
        row.or([row('subject', 'in', taking), sql<boolean>`starts_with(subject, ${subject.slice(0, -1)})`]),
      ),
    )
    .execute();
  return rows.map(fromRow);
}

export type IdentityToInsert = Omit<Identity, 'version' | 'created_at' | 'updated_at'>;

export async function insertIdentity(trx: Transaction, identity: IdentityToInsert): Promise<Identity> {
  const values = { ...identity, claims: JSON.stringify(identity.claims) };
  const inserted = trx.insertInto('workload_identities').values(values).returning(COLUMNS);
  return fromRow(await inserted.executeTakeFirstOrThrow());
}

export async function updateReportOnly(trx: Transaction, id: string, report_only: boolean): Promise<Identity> {
  const row = await trx
    .updateTable('workload_identities')
    .set((eb) => ({ report_only, version: eb('version', '+', 1), updated_at: sql<Date>`now()` }))
    .where('id', '=', id)
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return fromRow(row);
}

export async function deleteIdentity(trx: Transaction, id: string): Promise<void> {
  await trx.deleteFrom('workload_identities').where('id', '=', id).execute();
}

/** What a token of this issuer and subject is held against. */
export interface Against {
  issuer: TrustedIssuer | undefined;
  identities: Pick<Identity, 'id' | 'workload' | 'subject' | 'claims' | 'report_only'>[];
  /** The policy epoch of the snapshot. */
  epoch: number;
}

/** @param taking every subject that takes the token's */
export async function findAgainst(db: Db, issuer: string, taking: readonly string[]): Promise<Against> {
  const { rows } = await sql<{ epoch_row: EpochRow; issuer: TrustedIssuer | null; identities: Against['identities'] }>`
    select ${EPOCH_ROW} as epoch_row,
      (select to_jsonb(t) from trusted_issuers t where t.issuer = ${issuer}) as issuer,
      (select coalesce(jsonb_agg(to_jsonb(i)), '[]'::jsonb) from workload_identities i
        where i.trusted_issuer = (select t.id from trusted_issuers t where t.issuer = ${issuer})
          and i.subject in (${sql.join(taking)})) as identities`.execute(db);
  const row = rows[0] as (typeof rows)[number];
  return { issuer: row.issuer ?? undefined, identities: row.identities, epoch: standingOf(row.epoch_row).epoch };
}
