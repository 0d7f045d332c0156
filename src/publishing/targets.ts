// Publishing to a target: turned on and off, each with a person and a reason.
import type { Actor, Done } from '../audit/act.ts';
import type { Db, Transaction } from '../db/connect.ts';
import { requireTable } from '../db/has-table.ts';
import { Problem } from '../errors.ts';
import { createId } from '../ids.ts';
import type { ReadClock } from '../keys/store.ts';
import * as store from './store.ts';

/** @throws Problem `migration_missing` */
export const requireTables = (db: Db): Promise<void> =>
  requireTable(
    db,
    'publishing_targets',
    'The database has no room for static publishing: 0007_publishing has not run.',
  );

/** @throws Problem `not_found`, `publishing_off` */
export async function requireOpen(db: Db, id: string): Promise<store.TargetRow> {
  await requireTables(db);
  const found = await store.findTarget(db, id);
  if (!found)
    throw new Problem('not_found', 'There is no such target.', { hint: 'List them with GET /v1/publishing/targets.' });
  if (found.ended_at)
    throw new Problem('publishing_off', `Publishing to ${found.target} was turned off.`, {
      hint: `Turn it on again: countersign publishing on --to ${found.target} --reason "…".`,
    });
  return found;
}

/** From its commit on a standby must be in place there before it signs. @throws Problem `publishing_on` */
export async function turnOn(
  trx: Transaction,
  readClock: ReadClock,
  target: string,
  actor: Actor,
): Promise<Done<store.TargetRow>> {
  await requireTables(trx);
  const { id, at } = { id: createId('tg'), at: new Date(await readClock(trx)) };
  if (!(await store.insertTarget(trx, { id, target, at, actor: actor.id, reason: actor.reason ?? '' })))
    throw new Problem('publishing_on', `Publishing to ${target} is on already.`, {
      hint: 'Nothing more is to be done.',
    });
  const records = [{ kind: 'publishing.turned_on', details: { target: id, to: target } }];
  return { result: await requireOpen(trx, id), records, affectsDecisions: false };
}

/** What was placed there stays, and counts for nothing. @throws Problem `not_found`, `publishing_off` */
export async function turnOff(
  trx: Transaction,
  readClock: ReadClock,
  id: string,
  actor: Actor,
): Promise<Done<store.TargetRow>> {
  const { target } = await requireOpen(trx, id);
  const at = new Date(await readClock(trx));
  await store.insertEnd(trx, { target: id, at, actor: actor.id, reason: actor.reason ?? '' });
  const records = [{ kind: 'publishing.turned_off', details: { target: id, to: target } }];
  return { result: (await store.findTarget(trx, id)) as store.TargetRow, records, affectsDecisions: false };
}
