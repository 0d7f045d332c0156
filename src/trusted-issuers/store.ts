// The SQL of trusted issuers.
import { type Selectable, sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';
import type { Login, TrustedIssuersTable } from '../db/federation-types.ts';
import type { Jwks } from '../db/types.ts';
import { hasPeople } from '../db/federation.ts';
import type { SignatureAlgorithm } from '../keys/algorithms.ts';
import type { KindName } from './kinds.ts';
import { loginOf } from './sign-in.ts';

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
  /** How people sign in there; null where nobody does. */
  login: Login | null;
  /** The version of this row that `login` was last looked at with: see `loginOf`. */
  login_version: number | null;
  version: number;
  /** RFC 3339. */
  created_at: string;
  updated_at: string;
}

/** Of the whole row: before migration 0009 there are no such columns. */
const OF_PEOPLE = [
  sql<Login | null>`to_jsonb(trusted_issuers) -> 'login'`.as('login'),
  sql<number | null>`(to_jsonb(trusted_issuers) ->> 'login_version')::integer`.as('login_version'),
] as const;

const COLUMNS = [
  ...OF_PEOPLE,
  ...(['id', 'name', 'kind', 'issuer', 'audience', 'algorithms', 'jwks_uri', 'jwks', 'one_time'] as const),
  ...(['max_token_seconds', 'state', 'version', 'created_at', 'updated_at'] as const),
] as const;

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

/**
 * Locks out changes of this issuer, and whoever else gives identities of it.
 * @param to a `change` also waits for whoever acts by an identity of it, and holds them up. Who gives an identity may act by
 * one himself, beside others who do: they would wait for one another.
 */
export async function lockTrustedIssuer(
  trx: Transaction,
  reference: string,
  to: 'change' | 'give',
): Promise<TrustedIssuer | undefined> {
  const found = trx.selectFrom('trusted_issuers').select(COLUMNS).where(columnOf(reference), '=', reference);
  const locked = to === 'change' ? found.forUpdate() : found.forNoKeyUpdate();
  const row = await locked.executeTakeFirst();
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

/** Those with this `iss`, whoever changes or adds one meanwhile: none is changed or added until the transaction ends. */
export async function lockIssuersNamed(trx: Transaction, issuer: string): Promise<TrustedIssuer[]> {
  await sql`lock table trusted_issuers in share row exclusive mode`.execute(trx);
  const found = trx.selectFrom('trusted_issuers').select(COLUMNS).where('issuer', '=', issuer).orderBy('id');
  return (await found.execute()).map(fromRow);
}

export type TrustedIssuerToInsert = Omit<TrustedIssuer, 'version' | 'login_version' | 'created_at' | 'updated_at'>;

const toJson = (value: object | null): string | null => (value === null ? null : JSON.stringify(value));

/** @returns undefined where the name is taken, or before migration 0009 the `iss` */
export async function insertTrustedIssuer(
  trx: Transaction,
  { login, ...issuer }: TrustedIssuerToInsert,
): Promise<TrustedIssuer | undefined> {
  const row = await trx
    .insertInto('trusted_issuers')
    .values({ ...issuer, jwks: toJson(issuer.jwks), ...(login ? { login: toJson(login), login_version: 1 } : {}) })
    .onConflict((conflict) => conflict.doNothing())
    .returning(COLUMNS)
    .executeTakeFirst();
  return row && fromRow(row);
}

/**
 * Stores what may change of a locked row and counts the version up.
 * @param people whether there is room for them: migration 0009 has run
 */
export async function updateTrustedIssuer(
  trx: Transaction,
  issuer: TrustedIssuer,
  people: boolean,
): Promise<TrustedIssuer> {
  const { id, audience, algorithms, jwks_uri, jwks, one_time, max_token_seconds, state, login, version } = issuer;
  const row = await trx
    .updateTable('trusted_issuers')
    .set({ audience, algorithms, jwks_uri, jwks: toJson(jwks), one_time, max_token_seconds, state })
    .set({ version: version + 1, updated_at: sql<Date>`now()` })
    .$if(people, (query) => query.set({ login: toJson(login), login_version: loginOf(issuer) ? version + 1 : null }))
    .where('id', '=', id)
    .returning(COLUMNS)
    .executeTakeFirstOrThrow();
  return fromRow(row);
}

export async function deleteTrustedIssuer(trx: Transaction, id: string): Promise<void> {
  await trx.deleteFrom('trusted_issuers').where('id', '=', id).execute();
}

/**
 * What it takes to be each client that has an identity of this issuer, as whoever changes it could be: their scopes, and
 * the one that administrators are changed with where one of them is such a client.
 */
export async function listScopesBehind(trx: Transaction, id: string): Promise<string[]> {
  const people = (await hasPeople(trx))
    ? sql`union select unnest(w.scopes) from person_identities i join workloads w on w.id = i.workload
        where i.trusted_issuer = ${id}
      union select unnest(a.scopes || 'administrators:write'::text)
        from person_identities i join administrators a on a.id = i.administrator where i.trusted_issuer = ${id}`
    : sql``;
  const { rows } = await sql<{ scope: string }>`
    select unnest(w.scopes) as scope from workload_identities i join workloads w on w.id = i.workload
    where i.trusted_issuer = ${id} ${people}`.execute(trx);
  return [...new Set(rows.map(({ scope }) => scope))];
}

export async function hasIdentities(trx: Transaction, id: string): Promise<boolean> {
  const found = trx.selectFrom('workload_identities').select('id').where('trusted_issuer', '=', id).limit(1);
  if (await found.executeTakeFirst()) return true;
  if (!(await hasPeople(trx))) return false;
  const people = trx.selectFrom('person_identities').select('id').where('trusted_issuer', '=', id).limit(1);
  return (await people.executeTakeFirst()) !== undefined;
}

export interface LoginIssuer extends Login {
  name: string;
  issuer: string;
}

/** Where people sign in: active issuers alone, by name. */
export async function listLogins(db: Db): Promise<LoginIssuer[]> {
  const rows = await db
    .selectFrom('trusted_issuers')
    .select(['name', 'issuer', 'login'])
    .where('state', '=', 'active')
    .where('login', 'is not', null)
    .whereRef('login_version', '=', 'version')
    .orderBy('name')
    .execute();
  return rows.flatMap(({ name, issuer, login }) => (login ? [{ name, issuer, ...login }] : []));
}
