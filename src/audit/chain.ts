// One row's text and its place in the chain: hash = SHA-256(previous hash, RFC 8785 JSON of the row).
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';

export type JsonValue = string | number | boolean | null | JsonValue[] | { [member: string]: JsonValue | undefined };

/** What happened, as its author states it; stream, seq and time are added when it is chained. */
export interface AuditEntry {
  /** `noun.verb`, e.g. `token.minted`, `exchange.intent`, `grant.created`. */
  kind: string;
  actor?: string | undefined;
  workload?: string | undefined;
  connection?: string | undefined;
  exchange?: string | undefined;
  /** Everything else worth keeping. Never a token or a secret. */
  details?: { [member: string]: JsonValue | undefined } | undefined;
}

export interface Head {
  seq: number;
  hash: Buffer;
}

export interface ChainedRow {
  month: string;
  stream: string;
  seq: number;
  at: string;
  entry: AuditEntry;
  row: string;
  hash: Buffer;
}

/** What stands before the first row of a stream. */
export const ORIGIN: Head = { seq: -1, hash: Buffer.alloc(32) };

export function hashRow(previous: Uint8Array, row: string): Buffer {
  return createHash('sha256').update(previous).update(row, 'utf8').digest();
}

/** Whether it has a form in RFC 8785: no lone surrogate, and no number that JSON lacks. Takes a tenth of writing it. */
export function hasForm(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && hasForm(member));
}

/** The next row after `head`; `at` in milliseconds since the epoch. */
export function chainRow(head: Head, stream: string, at: number, entry: AuditEntry): ChainedRow {
  const time = new Date(at).toISOString();
  const seq = head.seq + 1;
  const { kind, actor, workload, connection, exchange, details } = entry;
  const row = canonicalize({ v: 1, stream, seq, at: time, kind, actor, workload, connection, exchange, details });
  if (row === undefined) throw new TypeError('an audit row must be JSON');
  return { month: `${time.slice(0, 7)}-01`, stream, seq, at: time, entry, row, hash: hashRow(head.hash, row) };
}
