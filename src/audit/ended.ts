// How a transaction of the audit log ends: with rows, in time or not at all.
import type { Transaction } from '../db/connect.ts';
import type { AuditEntry } from './chain.ts';

/** A transaction reached its end later than its rows allow: it was rolled back. */
export class TooLate extends Error {
  override name = 'TooLate';
}

/** What a transaction leaves behind. */
export interface Ended<T> {
  result: T;
  entries: AuditEntry[];
  /** Asked last of all, right before the commit. */
  inTime?: ((trx: Transaction) => Promise<boolean>) | undefined;
}
