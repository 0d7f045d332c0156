// Row types of rotations in numbers (migrations/0004_rotation.sql): the plan, the queue's leases, the runs.
import type { ColumnType, Generated } from 'kysely';

type Timestamp = ColumnType<Date, Date | string, Date | string>;

export interface RotationPlanTable {
  id: number;
  policy_version: number;
  after: string | null;
}

export interface RotationLeasesTable {
  ring: string;
  leased_until: Timestamp;
}

/** Which rings: what is given must all hold; nothing given is every ring. */
export interface RunSelection {
  issuers?: string[];
  tenant?: string;
  label?: Record<string, string>;
  algorithm?: 'ES256' | 'RS256';
  purpose?: 'workload_token' | 'web_identity_token';
}

export interface RotationRunsTable {
  id: string;
  selection: ColumnType<RunSelection, string, string>;
  rate_per_minute: number;
  total: number;
  actor: string;
  actor_as: string | null;
  reason: string;
  created_at: Timestamp;
  listed: string | null;
  next_at: Timestamp;
  ended_at: Timestamp | null;
  cancelled_by: string | null;
}

export interface RotationRunRingsTable {
  run: string;
  ring: string;
  state: 'waiting' | 'done' | 'failed';
  next_at: Timestamp;
  attempts: Generated<number>;
  code: string | null;
  detail: string | null;
  kid: string | null;
}

export interface RotationTables {
  rotation_plan: RotationPlanTable;
  rotation_leases: RotationLeasesTable;
  rotation_runs: RotationRunsTable;
  rotation_run_rings: RotationRunRingsTable;
}
