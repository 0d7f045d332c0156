// Refused authenticated calls: the first of a kind in a minute is a row at once, the rest are one row with their count.
import type { Clock } from '../clock.ts';
import type { ReplayKey } from './store.ts';
import type { AuditStream } from './stream.ts';

export interface Refusal {
  /** e.g. `token.refused`, `exchange.refused`, `call.refused`. */
  kind: string;
  actor: string;
  workload?: string | undefined;
  connection?: string | undefined;
  code: string;
}

export interface Refusals {
  /** Durable when it resolves, where it is the first of its kind this minute; counted otherwise. */
  record(refusal: Refusal, replay?: ReplayKey): Promise<void>;
  /** Writes the counts of minutes that are over (or of all, when closing). */
  flush(all?: boolean): Promise<void>;
}

/** Kinds counted in one minute at most; what is beyond shares one row. */
const MAX_KINDS = 10_000;

interface Counted {
  refusal: Refusal;
  minute: number;
  count: number;
}

export function createRefusals(stream: AuditStream, clock: Clock): Refusals {
  const counts = new Map<string, Counted>();

  const minuteOf = (): number => Math.floor(clock.wall() / 60_000);

  function toEntry({ kind, actor, workload, connection, code }: Refusal, details: { count: number; minute?: string }) {
    return { kind, actor, workload, connection, details: { code, ...details } };
  }

  return {
    record: async (refusal, replay) => {
      const minute = minuteOf();
      const full = counts.size >= MAX_KINDS;
      const shown = full ? { kind: refusal.kind, actor: 'many', code: 'many' } : refusal;
      const key = JSON.stringify([minute, shown.kind, shown.actor, shown.workload, shown.connection, shown.code]);
      const counted = counts.get(key);
      if (counted) {
        counted.count += 1;
        if (replay) await stream.append({ replay });
        return;
      }
      const first: Counted = { refusal: shown, minute, count: 0 };
      counts.set(key, first);
      try {
        await stream.append({ entry: toEntry(shown, { count: 1 }), replay });
      } catch (error) {
        // The next of its kind is the first: it is not answered as if a row told of it.
        if (first.count === 0) counts.delete(key);
        throw error;
      }
    },
    flush: async (all = false) => {
      const now = minuteOf();
      for (const [key, { refusal, minute, count }] of counts) {
        if (!all && minute >= now) continue;
        if (count > 0)
          await stream.append({ entry: toEntry(refusal, { count, minute: new Date(minute * 60_000).toISOString() }) });
        // Forgotten when it is durable: what could not be written is written by the next flush.
        counts.delete(key);
      }
    },
  };
}
