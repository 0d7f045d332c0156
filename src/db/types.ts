// Row types of the tables in migrations/, as Kysely reads and writes them.
import type { ColumnType, Generated } from 'kysely';
import type { CustodyTables } from './custody-types.ts';
import type { FederationTables, OutlivingColumns } from './federation-types.ts';
import type { RotationTables } from './rotation-types.ts';

type Timestamp = ColumnType<Date, Date | string, Date | string>;
type Defaulted = ColumnType<Date, Date | string | undefined, Date | string>;
type Json<T> = ColumnType<T, string, string>;

export interface ServiceTable {
  id: number;
  issuer_url: string;
  created_at: Defaulted;
}

export interface PolicyEpochTable {
  id: number;
  epoch: number;
}

export interface IssuersTable {
  id: string;
  kind: 'platform' | 'connection';
  created_at: Defaulted;
}

export interface RingsTable {
  id: string;
  issuer: string;
  algorithm: 'ES256' | 'RS256';
  purpose: 'workload_token' | 'web_identity_token';
  created_at: Timestamp;
  next_rotation_at: Timestamp;
  changed_xid: Generated<string>;
}

export interface SigningKeysTable {
  kid: string;
  ring: string;
  published_at: Timestamp;
  born_with_ring: boolean;
  public: Buffer;
}

export interface ActivationsTable {
  ring: string;
  seq: number;
  kid: string;
  signs_from: Timestamp;
  predecessor_removed_at: Timestamp | null;
  predecessor_destroyed_at: Timestamp | null;
  reason: string;
  actor: string;
}

export interface HoldsTable {
  ring: string;
  seq: number;
  until: Timestamp;
  at: Timestamp;
  reason: string;
  actor: string;
}

export interface RevocationsTable {
  kid: string;
  at: Timestamp;
  accepted_outage: boolean;
  reason: string;
  actor: string;
}

export interface PrivateKeysTable {
  kid: string;
  kek: string;
  envelope: Buffer;
  destroy_at: Timestamp | null;
}

export interface KeyPoliciesTable {
  version: number;
  a_seconds: number;
  d_seconds: number;
  r_seconds: number;
  e_seconds: number;
  period_seconds: number;
  created_at: Timestamp;
  reason: string;
  actor: string;
}

export interface CanariesTable {
  id: string;
  kid: string;
  at: Timestamp;
  about: 'standby' | 'revocation';
  outcome: 'accepted' | 'refused' | 'unclear';
  code: string | null;
  request_id: string | null;
}

export interface RevocationProofsTable {
  kid: string;
  started_at: Timestamp;
  next_at: Timestamp;
  leased_until: Timestamp | null;
  ended_at: Timestamp | null;
  outcome: string | null;
}

export interface Jwks {
  keys: Record<string, unknown>[];
}

export interface AdministratorsTable {
  id: string;
  slug: string;
  description: Generated<string>;
  state: 'active' | 'suspended';
  scopes: string[];
  jwks: Json<Jwks>;
  version: Generated<number>;
  created_at: Defaulted;
  updated_at: Defaulted;
}

export interface WorkloadsTable extends AdministratorsTable, OutlivingColumns {
  audiences: string[];
}

export type ConnectionState = 'pending' | 'verifying' | 'active' | 'degraded' | 'unsafe' | 'paused' | 'disconnected';

export interface ConnectionsTable {
  id: string;
  reference: string | null;
  name: string;
  tenant: string;
  labels: Json<Record<string, string>>;
  cloud: 'aws';
  issuer: string;
  subject: string;
  algorithm: 'ES256' | 'RS256';
  state: ConnectionState;
  state_reason: Generated<string>;
  state_since: Defaulted;
  max_session_seconds: number;
  source_identity: boolean;
  session_tags: boolean;
  generation: Generated<number>;
  created_at: Defaulted;
  updated_at: Defaulted;
}

export interface AwsConnectionsTable {
  connection: string;
  account_id: string;
  partition: string;
  region: string;
  role_name: string;
  role_arn: string;
  permission_set: string;
  additions: string[];
  custom_policy: Json<Record<string, unknown> | null> | null;
  role_id: string | null;
  verified_at: Timestamp | null;
}

export interface VerificationsTable {
  connection: string;
  started_at: Timestamp;
  attempts: Generated<number>;
  next_at: Timestamp;
  leased_until: Timestamp | null;
  last_code: string | null;
  last_detail: string | null;
}

export interface GrantsTable {
  id: string;
  workload: string;
  selector_kind: 'connection' | 'label' | 'tenant' | 'all';
  selector_value: string;
  selector_label: Json<Record<string, string> | null> | null;
  purpose: string;
  max_session_seconds: number;
  session_policy: Json<Record<string, unknown> | null> | null;
  policy_arns: string[];
  tags: Json<Record<string, string>>;
  version: Generated<number>;
  created_at: Defaulted;
  updated_at: Defaulted;
}

export interface IdempotencyKeysTable {
  actor: string;
  key: string;
  request_hash: Buffer;
  status: number;
  body: string;
  created_at: Defaulted;
}

export interface ReplayKeysTable {
  issuer: string;
  jti: string;
  expires_at: Timestamp;
}

export interface AuditTable {
  month: string;
  stream: string;
  seq: number;
  at: Timestamp;
  kind: string;
  actor: string | null;
  workload: string | null;
  connection: string | null;
  exchange: string | null;
  row: string;
  hash: Buffer;
}

/** From migration 0007, as the five below: it may not have run. */
export interface PublishingTargetsTable {
  id: string;
  target: string;
  seq: number;
  at: Timestamp;
  reason: string;
  actor: string;
}

export interface PublishingEndsTable {
  target: string;
  at: Timestamp;
  reason: string;
  actor: string;
}

export interface PlacementsTable {
  target: string;
  kid: string;
  placed_at: Timestamp;
}

export interface WithdrawalsTable {
  target: string;
  kid: string;
  withdrawn_at: Timestamp;
}

export interface PlacedDocumentsTable {
  target: string;
  issuer: string;
  document: 'jwks' | 'discovery';
  version: string;
  tag: string;
}

export interface PublishingPassesTable {
  target: string;
  epoch: Generated<number>;
  holder: string | null;
  leased_until: Timestamp | null;
  since: string | null;
  passed_at: Timestamp | null;
  verified_at: Timestamp | null;
}

export interface Tables extends CustodyTables, FederationTables, RotationTables {
  service: ServiceTable;
  policy_epoch: PolicyEpochTable;
  issuers: IssuersTable;
  rings: RingsTable;
  signing_keys: SigningKeysTable;
  activations: ActivationsTable;
  holds: HoldsTable;
  revocations: RevocationsTable;
  private_keys: PrivateKeysTable;
  key_policies: KeyPoliciesTable;
  canaries: CanariesTable;
  revocation_proofs: RevocationProofsTable;
  workloads: WorkloadsTable;
  administrators: AdministratorsTable;
  connections: ConnectionsTable;
  aws_connections: AwsConnectionsTable;
  verifications: VerificationsTable;
  grants: GrantsTable;
  idempotency_keys: IdempotencyKeysTable;
  replay_keys: ReplayKeysTable;
  audit: AuditTable;
  publishing_targets: PublishingTargetsTable;
  publishing_ends: PublishingEndsTable;
  placements: PlacementsTable;
  withdrawals: WithdrawalsTable;
  placed_documents: PlacedDocumentsTable;
  publishing_passes: PublishingPassesTable;
}
