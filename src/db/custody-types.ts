// Row types of the tables that say where keys live (migrations/0006_key_custody.sql).
import type { ColumnType } from 'kysely';

type Timestamp = ColumnType<Date, Date | string, Date | string>;

export interface KekRotationsTable {
  seq: number;
  kek: string;
  at: Timestamp;
  reason: string;
  actor: string;
  worker: string | null;
  worker_until: Timestamp | null;
  trouble: string | null;
  finished_at: Timestamp | null;
}

export interface ReplicasTable {
  id: string;
  host: string;
  opens: string[];
  started_at: Timestamp;
  seen_at: Timestamp;
}

export interface HeldKeysTable {
  name: string;
  signer: string;
  kid: string;
  ring: string;
  created_at: Timestamp;
  deleted_at: Timestamp | null;
}

export interface RingSignersTable {
  ring: string;
  seq: number;
  signer: string;
  region: string | null;
  at: Timestamp;
  reason: string;
  actor: string;
}

export interface CustodyTables {
  kek_rotations: KekRotationsTable;
  replicas: ReplicasTable;
  held_keys: HeldKeysTable;
  ring_signers: RingSignersTable;
}
