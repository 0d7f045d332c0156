// The SQL of trusted issuers.
import { type Selectable, sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import type { TrustedIssuersTable } from '../db/federation-types.ts';
import type { Jwks } from '../db/types.ts';
import type { SignatureAlgorithm } from '../keys/algorithms.ts';
import type { KindName } from './kinds.ts';

export interface TrustedIssuer {
  /** `ti_…` */
  id: string;
  name: string;
  kind: KindName;
  /** The `iss` of its tokens, to the letter. */
  issuer: string;
  /** The `aud` of its tokens at the token endpoint; null for ISSUER_URL. */
  audience: string | null;
  algorithms: SignatureAlgorithm[];
  /** Where its keys are, where discovery is not to say it. */
  jwks_uri: string | null;
  /** Pasted: then nothing is fetched. */
  jwks: Jwks | null;
  /** Whether each of its tokens may be shown once. */
  one_time: boolean;
  /** From a token's iat to its exp at most. */
  max_token_seconds: number;
  state: 'active' | 'suspended';
  version: number;
  /** RFC 3339. */
  created_at: string;
  updated_at: string;
}

const COLUMNS = [
  ...(['id', 'name', 'kind', 'issuer', 'audience', 'algorithms', 'jwks_uri', 'jwks', 'one_time'] as const),
  ...(['max_token_seconds', 'state', 'version', 'created_at', 'updated_at'] as const),
];

function fromRow(row: Selectable<TrustedIssuersTable>): TrustedIssuer {
  const { created_at, updated_at, algorithms, ...same } = row;
  return {
    ...{ ...same, algorithms: algorithms as SignatureAlgorithm[] },
    ...{ created_at: created_at.toISOString(), updated_at: updated_at.toISOString() },
  };
}

/** A name has no underscore, so that none reads as an id. */
const columnOf = (reference: string): 'id' | 'name' => (reference.startsWith('ti_') ? 'id' : 'name');

/** @param reference an id or a name */
export async function findTrustedIssuer(db: Db, reference: string): Promise<TrustedIssuer | undefined> {
  const found = db.selectFrom('trusted_issuers').select(COLUMNS).where(columnOf(reference), '=', reference);
  const row = await found.executeTakeFirst();
  return row && fromRow(row);
}

/** Locks out changes of this issuer, and whoever else gives identities of it to workloads. */
export async function lockTrustedIssuer(trx: Transaction, reference: string): Promise<TrustedIssuer | undefined> {
  const found = trx.selectFrom('trusted_issuers').select(COLUMNS).where(columnOf(reference), '=', reference);
  const row = await found.forUpdate().executeTakeFirst();
  return row && fromRow(row);
}

/** By name, those after `after`. */
export async function listTrustedIssuers(
  db: Db,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<TrustedIssuer[]> {
  const rows = await db
    .selectFrom('trusted_issuers')
    .select(COLUMNS)
    .$if(after !== undefined, (query) => query.where('name', '>', after as string))
    .orderBy('name')
    .limit(limit)
    .execute();
  return rows.map(fromRow);
}

export type TrustedIssuerToInsert = Omit<TrustedIssuer, 'version' | 'created_at' | 'updated_at'>;

const toJson = (jwks: Jwks | null): string | null => (jwks === null ? null : JSON.stringify(jwks));

/** @returns undefined where the name or the issuer is taken */
export async function insertTrustedIssuer(
  trx: Transaction,
  issuer: TrustedIssuerToInsert,
): Promise<TrustedIssuer | undefined> {
  const row = await trx
    .insertInto('trusted_issuers')
    .values({ ...issuer, jwks: toJson(issuer.jwks) })
    .onConflict((conflict) => conflict.doNothing())
    .returning(COLUMNS)
    .executeTakeFirst();
  return row && fromRow(row);
}

/** Stores what may change and counts the version up. */
export async function updateTrustedIssuer(trx: Transaction, issuer: TrustedIssuer): Promise<TrustedIssuer> {
  const { id, audience, algorithms, jwks_uri, jwks, one_time, max_token_seconds, state } = issuer;
  const row = await trx
    .updateTable('trusted_issuers')
    .set({ audience, algorithms, jwks_uri, jwks: toJson(jwks), one_time, max_token_seconds, state })
    .set((eb) => ({ version: eb('version', '+', 1), updated_at: sql<Date>`now()` }))
    .where('id', '=', id)
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return fromRow(row);
}

export async function deleteTrustedIssuer(trx: Transaction, id: string): Promise<void> {
  await trx.deleteFrom('trusted_issuers').where('id', '=', id).execute();
}

/** The scopes of every workload that has an identity of this issuer: whoever changes it could be any of them. */
export async function listScopesBehind(trx: Transaction, id: string): Promise<string[]> {
  const { rows } = await sql<{ scope: string }>`
    select distinct unnest(w.scopes) as scope from workload_identities i join workloads w on w.id = i.workload
    where i.trusted_issuer = ${id}`.execute(trx);
  return rows.map(({ scope }) => scope);
}

export async function hasIdentities(trx: Transaction, id: string): Promise<boolean> {
  const found = trx.selectFrom('workload_identities').select('id').where('trusted_issuer', '=', id).limit(1);
  return (await found.executeTakeFirst()) !== undefined;
}
