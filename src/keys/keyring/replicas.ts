// What each process says of itself in the database every few seconds: which key-encryption keys it opens.
import { sql } from 'kysely';
import type { Db } from '../../db/connect.ts';
import { hasTable } from '../../db/has-table.ts';

/** One that was not seen for longer is not counted: it signs nothing either, its view is older than R by default. */
const LIVE_SECONDS = 60;
/** Rows of processes that did not say goodbye. */
const KEPT_SECONDS = 86_400;

export interface ReplicaRow {
  id: string;
  host: string;
  opens: string[];
  started_at: Date;
  seen_at: Date;
}

export interface Presence {
  id: string;
  /** Says that this process lives, and what it opens. */
  beat(): Promise<void>;
  leave(): Promise<void>;
}

/** @param options.id `rp_…`, of this process alone @param options.opens ids of its key-encryption keys */
export function createPresence(options: { db: Db; id: string; host: string; opens(): string[] }): Presence {
  const { db, id, host, opens } = options;
  return {
    id,
    beat: async () => {
      if (!(await hasTable(db, 'replicas'))) return;
      await sql`insert into replicas (id, host, opens, started_at, seen_at)
        values (${id}, ${host}, ${opens()}::text[], clock_timestamp(), clock_timestamp())
        on conflict (id) do update set seen_at = excluded.seen_at, opens = excluded.opens`.execute(db);
      await sql`delete from replicas where seen_at < clock_timestamp() - make_interval(secs => ${KEPT_SECONDS})`.execute(
        db,
      );
    },
    leave: async () => {
      if (await hasTable(db, 'replicas')) await db.deleteFrom('replicas').where('id', '=', id).execute();
    },
  };
}

export async function listLiveReplicas(db: Db): Promise<ReplicaRow[]> {
  const { rows } = await sql<ReplicaRow>`
    select id, host, opens, started_at, seen_at from replicas
    where seen_at > clock_timestamp() - make_interval(secs => ${LIVE_SECONDS}) order by started_at, id`.execute(db);
  return rows;
}

/** Those that live and do not open a key, in words: for a refusal, or for what stands in the way. */
export async function nameThoseWithout(db: Db, kek: string): Promise<string[]> {
  const without = (await listLiveReplicas(db)).filter(({ opens }) => !opens.includes(kek));
  return without.map(({ id, host, seen_at: seen }) => `${id} on ${host}, seen ${seen.toISOString()}`);
}
