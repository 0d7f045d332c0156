// Row types of federation: from migrations 0008 and 0009, which may not have run yet.
import type { ColumnType, Generated } from 'kysely';
import type { Jwks } from './types.ts';

type Defaulted = ColumnType<Date, Date | string | undefined, Date | string>;
type Json<T> = ColumnType<T, string, string>;

export interface TrustedIssuersTable {
  id: string;
  name: string;
  kind: 'kubernetes' | 'github' | 'gitlab' | 'spiffe' | 'aws' | 'oidc';
  issuer: string;
  /** Null for ISSUER_URL. */
  audience: string | null;
  algorithms: string[];
  jwks_uri: string | null;
  jwks: Json<Jwks | null> | null;
  one_time: boolean;
  max_token_seconds: number;
  state: 'active' | 'suspended';
  version: Generated<number>;
  created_at: Defaulted;
  updated_at: Defaulted;
  /** From 0009: read through the whole row, and set where that has run. */
  login: ColumnType<Login | null, string | null | undefined, string | null>;
  login_version: ColumnType<number | null, number | null | undefined, number | null>;
}

/** How people sign in at a trusted issuer: the public client that the command is there, and what it asks for. */
export interface Login {
  client_id: string;
  scopes: string[];
}

export interface WorkloadIdentitiesTable {
  id: string;
  workload: string;
  trusted_issuer: string;
  subject: string;
  claims: Json<Record<string, string | number | boolean>>;
  report_only: boolean;
  wildcard_reason: string | null;
  version: Generated<number>;
  created_at: Defaulted;
  updated_at: Defaulted;
}

/** From 0009. One of `administrator` and `workload` is set. */
export interface PersonIdentitiesTable {
  id: string;
  administrator: string | null;
  workload: string | null;
  owner: ColumnType<string, never, never>;
  trusted_issuer: string;
  subject: string;
  claims: Json<Record<string, string | number | boolean>>;
  report_only: boolean;
  version: Generated<number>;
  created_at: Defaulted;
  updated_at: Defaulted;
}

/** Of `workloads`: read through the whole row. */
export interface OutlivingColumns {
  max_outlive_seconds: Generated<number>;
}

export interface FederationTables {
  trusted_issuers: TrustedIssuersTable;
  workload_identities: WorkloadIdentitiesTable;
  person_identities: PersonIdentitiesTable;
}
