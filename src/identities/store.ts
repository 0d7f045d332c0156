// The SQL of identities, of platforms and of people; and what a token is held against, in one snapshot with the policy epoch.
import { type RawBuilder, sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import { hasPeople } from '../db/federation.ts';
import { EPOCH_ROW, type EpochRow, standingOf } from '../seal/store.ts';
import { isPerson, letIn, tableOf } from '../db/let-in.ts';
import type { TrustedIssuer } from '../trusted-issuers/store.ts';
import type { Rule } from './match.ts';

export interface Identity extends Rule {
  /** `wi_…` of a platform, `pi_…` of a person. */
  id: string;
  /** Whose it is: `wl_…`, or of a person also `ad_…`. */
  owner: string;
  /** Proved by a sign-in alone; otherwise by a platform's token alone. */
  person: boolean;
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

type Row = Omit<Identity, 'created_at' | 'updated_at'> & { created_at: Date; updated_at: Date };

const COMMON = sql`trusted_issuer, subject, claims, report_only, version, created_at, updated_at`;
const OF_PLATFORMS = sql`select id, workload as owner, false as person, wildcard_reason, ${COMMON} from workload_identities`;
const OF_PEOPLE = sql`select id, owner, true as person, null::text as wildcard_reason, ${COMMON} from person_identities`;

/** All of both tables, as one; before migration 0009 there are no people. */
const identities = (people: boolean): RawBuilder<unknown> =>
  people ? sql`(${OF_PLATFORMS} union all ${OF_PEOPLE}) i` : sql`(${OF_PLATFORMS}) i`;

async function select(db: Db, people: boolean, where: RawBuilder<unknown>): Promise<Identity[]> {
  const { rows } = await sql<Row>`select * from ${identities(people)} where ${where} order by id`.execute(db);
  return rows.map(({ created_at, updated_at, ...same }) => ({
    ...{ ...same, created_at: created_at.toISOString(), updated_at: updated_at.toISOString() },
  }));
}

async function read(trx: Transaction, id: string): Promise<Identity> {
  const [identity] = await select(trx, isPerson(id), sql`id = ${id}`);
  return identity as Identity;
}

/** All of a workload or an administrator, by id. */
export async function listIdentities(db: Db, owner: string): Promise<Identity[]> {
  return await select(db, await hasPeople(db), sql`owner = ${owner}`);
}

export async function lockIdentity(trx: Transaction, owner: string, id: string): Promise<Identity | undefined> {
  if (isPerson(id) && !(await hasPeople(trx))) return undefined;
  await sql`select from ${tableOf(isPerson(id))} where id = ${id} for update`.execute(trx);
  const [identity] = await select(trx, isPerson(id), sql`id = ${id} and owner = ${owner}`);
  return identity;
}

/**
 * Those of an issuer whose subject could meet this one: it, what is begun by it, and what begins it.
 * @param taking every subject that takes it
 */
export async function listNear(
  trx: Transaction,
  { trusted_issuer, subject, person }: Pick<Identity, 'trusted_issuer' | 'subject' | 'person'>,
  taking: string[],
): Promise<Identity[]> {
  const begun = subject.endsWith('*') ? sql`or starts_with(subject, ${subject.slice(0, -1)})` : sql``;
  const near = sql`(subject in (${sql.join(taking)}) ${begun})`;
  return await select(trx, person, sql`trusted_issuer = ${trusted_issuer} and person = ${person} and ${near}`);
}

/**
 * Whether this identity still lets in.
 * @param lock until the transaction ends, nobody takes the identity away, nor its issuer's trust; behind the lock of its owner
 */
export async function isLetIn(db: Db, id: string, lock = false): Promise<boolean> {
  const { rows } = await sql`${letIn(id)} ${lock ? sql`for no key update of i for key share of t` : sql``}`.execute(db);
  return rows.length > 0;
}

export type IdentityToInsert = Omit<Identity, 'version' | 'created_at' | 'updated_at'>;

export async function insertIdentity(trx: Transaction, identity: IdentityToInsert): Promise<Identity> {
  const { owner, person, wildcard_reason, ...columns } = { ...identity, claims: JSON.stringify(identity.claims) };
  if (person)
    await trx
      .insertInto('person_identities')
      .values({ ...columns, [owner.startsWith('ad_') ? 'administrator' : 'workload']: owner })
      .execute();
  else
    await trx
      .insertInto('workload_identities')
      .values({ ...columns, workload: owner, wildcard_reason })
      .execute();
  return await read(trx, identity.id);
}

export async function updateReportOnly(trx: Transaction, id: string, reportOnly: boolean): Promise<Identity> {
  await sql`update ${tableOf(isPerson(id))}
    set report_only = ${reportOnly}, version = version + 1, updated_at = now() where id = ${id}`.execute(trx);
  return await read(trx, id);
}

export async function deleteIdentity(trx: Transaction, id: string): Promise<void> {
  await sql`delete from ${tableOf(isPerson(id))} where id = ${id}`.execute(trx);
}

/** What a token of this `iss` and subject is held against. */
export interface Against {
  /** Those with that `iss`: more than one where clusters share it. */
  issuers: TrustedIssuer[];
  /** Of all of them. */
  identities: Pick<Identity, 'id' | 'owner' | 'person' | 'trusted_issuer' | 'subject' | 'claims' | 'report_only'>[];
  /** The policy epoch of the snapshot. */
  epoch: number;
}

/**
 * @param issuer the `iss`
 * @param taking every subject that takes the token's
 * @param people whether there is room for them
 */
export async function findAgainst(
  db: Db,
  issuer: string,
  taking: readonly string[],
  people: boolean,
): Promise<Against> {
  const { rows } = await sql<Omit<Against, 'epoch'> & { epoch_row: EpochRow }>`
    select ${EPOCH_ROW} as epoch_row,
      (select coalesce(jsonb_agg(to_jsonb(t)), '[]'::jsonb) from trusted_issuers t where t.issuer = ${issuer}) as issuers,
      (select coalesce(jsonb_agg(to_jsonb(i)), '[]'::jsonb) from ${identities(people)}
        where i.trusted_issuer = any(array(select t.id from trusted_issuers t where t.issuer = ${issuer}))
          and i.subject in (${sql.join(taking)})) as identities`.execute(db);
  const row = rows[0] as (typeof rows)[number];
  return { issuers: row.issuers, identities: row.identities, epoch: standingOf(row.epoch_row).epoch };
}
