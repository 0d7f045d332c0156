// The per-process writer: appends are grouped into one transaction a batch, each row chained to the one before it.
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { Database, Transaction } from '../db/connect.ts';
import { Problem, unavailable } from '../errors.ts';
import { createId } from '../ids.ts';
import { type Count, UNCOUNTED } from '../metrics/count.ts';
import { currentTrace, runInTrace, type TraceContext, type Tracer } from '../trace.ts';
import { type AuditEntry, type ChainedRow, chainRow, hasForm, type Head, ORIGIN } from './chain.ts';
import {
  findHead,
  insertAllUnderEpoch,
  insertReplayKeys,
  insertRows,
  isUniqueViolation,
  lockEpoch,
  type ReplayKey,
} from './store.ts';
import { type Ended, TooLate } from './ended.ts';
import { createTurns } from './turns.ts';

/** The decision behind this append was made under another policy epoch: decide again. */
export class EpochChanged extends Error {
  override name = 'EpochChanged';
}

/** The (issuer, jti) of this append was seen before. */
export class Replayed extends Error {
  override name = 'Replayed';
}

export interface Append {
  entry?: AuditEntry | undefined;
  /** The epoch under which the act was decided; left out when it rests on no decision. */
  epoch?: number | undefined;
  /** Taken in the same transaction, or the append is refused. */
  replay?: ReplayKey | undefined;
}

export interface AuditStream {
  /**
   * Durable when it resolves.
   * @throws EpochChanged, Replayed, or Problem `unavailable` (the queue is full, or the deadline passed).
   */
  append(append: Append): Promise<void>;
  /** A batch of its own: `work` and the rows it returns commit together or not at all. `whose` is as in `Turns`. @throws TooLate */
  transact<T>(work: (trx: Transaction) => Promise<Ended<T>>, whose?: string): Promise<T>;
  /** Appends that are not durable yet, and how long the oldest has waited, in milliseconds. */
  waiting(): { appends: number; oldest: number };
  /** Whether the last rows could not be written. */
  failing(): boolean;
  /** Where they could not: appends a row that says so, since without callers nobody would find out that it works again. */
  tryAgain(): Promise<void>;
  /** The policy epoch as the last batch saw it; 0 before the first. */
  readonly epoch: number;
  close(): Promise<void>;
}

export interface AuditStreamOptions {
  database: Database;
  clock: Clock;
  /** Milliseconds that a caller waits for its row; 900 unless given. */
  deadlineMs?: number | undefined;
  /** Appends waiting at most; 10 000 unless given. */
  maxQueue?: number;
  maxBatch?: number;
  count?: Pick<Count, 'batch'>;
  tracer?: Tracer | undefined;
}

interface Pending extends Append {
  /** On the monotonic clock. */
  since: number;
  /** Of the request that waits, where spans are exported. */
  trace: TraceContext | undefined;
  resolve(): void;
  reject(error: Error): void;
}

export function createAuditStream(options: AuditStreamOptions): AuditStream {
  const { database, clock, deadlineMs = 900, maxQueue = 10_000, maxBatch = 512, count = UNCOUNTED, tracer } = options;
  let stream = createId('st');
  let month: string | undefined;
  let head: Head = ORIGIN;
  let headKnown = true;
  let continues: { month: string; stream: string; seq: number; hash: string } | undefined;
  let epoch = 0;
  let queue: Pending[] = [];
  let underWay: readonly Pending[] = [];
  const turns = createTurns(clock);
  let flushing: Promise<void> | undefined;
  let failing = false;

  /** Chains entries behind the head, opening a stream where the month is new; the head moves when they commit. */
  function chain(entries: readonly AuditEntry[]): ChainedRow[] {
    const at = clock.wall();
    const current = `${new Date(at).toISOString().slice(0, 7)}-01`;
    if (month !== undefined && current > month) {
      continues = { month, stream, seq: head.seq, hash: head.hash.toString('hex') };
      stream = createId('st');
      head = ORIGIN;
    }
    // A clock that steps back over midnight of the first stays in its stream: the order of rows is the chain's.
    month = month === undefined || current > month ? current : month;
    const opening: AuditEntry[] =
      head.seq < 0 ? [{ kind: 'stream.opened', details: { continues: continues ?? null } }] : [];
    const rows: ChainedRow[] = [];
    let last = head;
    for (const entry of [...opening, ...entries]) {
      const row = { ...chainRow(last, stream, at, entry), month };
      rows.push(row);
      last = row;
    }
    return rows;
  }

  async function commit<T>(work: (trx: Transaction) => Promise<Ended<T>>): Promise<T> {
    if (!headKnown) {
      const found = month && (await findHead(database.db, month, stream));
      head = found || ORIGIN;
      // Nothing was written in it: a clock that leapt to a month without a partition, and back, is not held to that month.
      if (!found) month = undefined;
      headKnown = true;
    }
    let rows: ChainedRow[] = [];
    try {
      const result = await database.db.transaction().execute(async (trx) => {
        const done = await work(trx);
        rows = done.entries.length > 0 ? chain(done.entries) : [];
        await insertRows(trx, rows).catch((error: unknown) => {
          throw unavailable('The audit record could not be written.', error);
        });
        if (done.inTime && !(await done.inTime(trx))) throw new TooLate();
        return done.result;
      });
      const last = rows.at(-1);
      if (last) head = { seq: last.seq, hash: last.hash };
      if (last) failing = false;
      return result;
    } catch (error) {
      // The commit may have arrived all the same: ask before chaining anything behind it.
      if (rows.length > 0) {
        headKnown = false;
        failing ||= !(error instanceof TooLate);
      }
      throw error;
    }
  }

  /**
   * The plain case, in one statement: everything was decided under one epoch, which stands, and no key was seen before.
   * @returns false where it is not, and nothing was written.
   */
  async function appendAtOnce(batch: readonly Pending[]): Promise<boolean> {
    const [decided] = batch.flatMap((pending) => pending.epoch ?? []);
    if (
      decided === undefined ||
      !headKnown ||
      batch.some((pending) => pending.epoch !== undefined && pending.epoch !== decided)
    )
      return false;
    const rows = chain(batch.flatMap((pending) => pending.entry ?? []));
    try {
      epoch = await insertAllUnderEpoch(
        database.db,
        decided,
        rows,
        batch.flatMap((pending) => pending.replay ?? []),
      );
    } catch (error) {
      if (isUniqueViolation(error)) return false;
      // It may have been written all the same: ask before chaining anything behind it.
      headKnown = false;
      throw error;
    }
    if (epoch !== decided) return false;
    failing = false;
    const last = rows.at(-1);
    if (last) head = { seq: last.seq, hash: last.hash };
    return true;
  }

  async function appendBatch(batch: readonly Pending[]): Promise<void> {
    const began = clock.monotonic();
    underWay = batch;
    const links = tracer && batch.flatMap((pending) => pending.trace ?? []);
    // One batch is the work of many requests: it stands by itself, and names them.
    const span =
      tracer && runInTrace(undefined, () => tracer.start('audit batch', { kind: 'internal', links: links ?? [] }));
    const written = await tryBatch(batch);
    underWay = [];
    span?.end({ 'countersign.rows': batch.length }, !written);
    count.batch(batch.length, (clock.monotonic() - began) / 1000, written);
  }

  /** Settles everybody who waits. @returns whether the batch was written. */
  async function tryBatch(batch: readonly Pending[]): Promise<boolean> {
    const refused = new Map<Pending, Error>();
    try {
      if (await appendAtOnce(batch)) {
        for (const pending of batch) pending.resolve();
        return true;
      }
      await commit(async (trx) => {
        refused.clear();
        if (batch.some((pending) => pending.epoch !== undefined)) {
          epoch = await lockEpoch(trx);
          for (const pending of batch) {
            if (pending.epoch !== undefined && pending.epoch !== epoch) refused.set(pending, new EpochChanged());
          }
        }
        const keys = batch.flatMap((pending) => (refused.has(pending) || !pending.replay ? [] : [pending.replay]));
        const fresh = await insertReplayKeys(trx, keys);
        const entries: AuditEntry[] = [];
        for (const pending of batch) {
          if (refused.has(pending)) continue;
          // Set.delete answers true once: of two equal keys in one batch the first alone is new.
          if (pending.replay && !fresh.delete(`${pending.replay.issuer}\n${pending.replay.jti}`)) {
            refused.set(pending, new Replayed());
          } else if (pending.entry) {
            entries.push(pending.entry);
          }
        }
        return { result: undefined, entries };
      });
      for (const pending of batch) {
        const error = refused.get(pending);
        if (error) pending.reject(error);
        else pending.resolve();
      }
      return true;
    } catch (error) {
      failing = true;
      const problem = error instanceof Problem ? error : unavailable('The audit record could not be written.', error);
      for (const pending of batch) pending.reject(problem);
      return false;
    }
  }

  async function flush(): Promise<void> {
    while (queue.length > 0) {
      // What arrives in one turn of the loop shares a batch: an outcome and its hand-outs, answers that came together.
      await turnOfLoop();
      await turns.take(() => {
        const batch = queue.slice(0, maxBatch);
        queue = queue.slice(maxBatch);
        return appendBatch(batch);
      });
    }
    flushing = undefined;
  }

  function append(entry: Append): Promise<void> {
    if (queue.length >= maxQueue)
      return Promise.reject(unavailable('Too many audit records are waiting to be written.'));
    // Alone: those that share its batch are written.
    if (!hasForm(entry.entry)) return Promise.reject(new TypeError('an audit row must be JSON as RFC 8785 has it'));
    return new Promise<void>((resolve, reject) => {
      const late = (): void => reject(unavailable('The audit record was not durable in time.'));
      // A process that stood still runs timers that are overdue before it reads: an answer that came in time counts.
      const timer = setTimeout(() => setImmediate(late), deadlineMs);
      queue.push({
        ...entry,
        since: clock.monotonic(),
        trace: tracer && currentTrace(),
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      flushing ??= flush();
    });
  }

  return {
    append,
    transact: (work, whose) => turns.takeSoon(() => commit(work), whose),
    waiting: () => {
      const [first] = [...underWay.slice(0, 1), ...queue.slice(0, 1)];
      return { appends: underWay.length + queue.length, oldest: first ? clock.monotonic() - first.since : 0 };
    },
    failing: () => failing,
    tryAgain: async () => {
      if (failing) await append({ entry: { kind: 'stream.resumed' } });
    },
    get epoch() {
      return epoch;
    },
    close: async () => {
      while (flushing) await flushing;
      await turns.over();
    },
  };
}
