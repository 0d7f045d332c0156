// The seal in the row of the policy epoch: read with every decision, written under the epoch's own lock.
import { type RawBuilder, sql } from 'kysely';
import type { Db, Transaction } from '../db/connect.ts';

export interface Seal {
  /** On the database's clock, ISO 8601. */
  at: string;
  /** `ad_…`, `wl_…` or `host`. */
  by: string;
  /** Self-asserted name of the person at the host's shell. */
  as?: string;
  reason: string;
}

/** What every decision to mint rests on beside its own rows. */
export interface Standing {
  epoch: number;
  seal: Seal | undefined;
  /** When it was last set or lifted; undefined where it never was, or the migration has not run. */
  sealChangedAt: string | undefined;
}

/** The row of the policy epoch as it is. */
export interface EpochRow {
  epoch: number;
  /** Missing where the migration has not run: then nothing was ever sealed. */
  seal?: Seal | null;
  seal_changed_at?: string | null;
}

/** To select in the statement of a decision, so that the seal is of its snapshot. The whole row: a column that is not there yet is no error. */
export const EPOCH_ROW: RawBuilder<EpochRow> = sql<EpochRow>`(select to_jsonb(e) from policy_epoch e where e.id = 1)`;

export function standingOf({ epoch, seal, seal_changed_at }: EpochRow): Standing {
  return { epoch, seal: seal ?? undefined, sealChangedAt: seal_changed_at ?? undefined };
}

async function readEpochRow(db: Db): Promise<EpochRow> {
  const { rows } = await sql<{ row: EpochRow }>`select ${EPOCH_ROW} as row`.execute(db);
  return (rows[0] as { row: EpochRow }).row;
}

export async function readStanding(db: Db): Promise<Standing> {
  return standingOf(await readEpochRow(db));
}

/**
 * Locks the epoch, as its bump would, and reads the seal.
 * @returns undefined where the migration that makes room for it has not run.
 */
export async function lockSeal(trx: Transaction): Promise<{ seal: Seal | undefined } | undefined> {
  await sql`lock table policy_epoch in exclusive mode`.execute(trx);
  const row = await readEpochRow(trx);
  return row.seal === undefined ? undefined : { seal: row.seal ?? undefined };
}

/** @returns the seal as it stands now. */
export async function updateSeal(trx: Transaction, seal: Omit<Seal, 'at'> | undefined): Promise<Seal | undefined> {
  const value =
    seal === undefined
      ? sql`null`
      : sql`${JSON.stringify(seal)}::jsonb || jsonb_build_object('at', to_char(
    clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`;
  const { rows } = await sql<{ seal: Seal | null }>`
    update policy_epoch set seal = ${value} where id = 1 returning seal`.execute(trx);
  return rows[0]?.seal ?? undefined;
}
