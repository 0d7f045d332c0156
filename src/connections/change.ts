// Changing a connection: its settings, pausing and resuming it, asking for verification, disconnecting it. Each inside an act.
import type { Done } from '../audit/act.ts';
import type { Transaction } from '../db/connect.ts';
import type { Caller } from '../http/caller.ts';
import type { Rings } from '../keys/rings.ts';
import type { AssertLabelsUnambiguous } from './create.ts';
import { isPolled, nextState } from './lifecycle.ts';
import { referenceTaken, requireAccessScope, requireConnected, requireFound, stateRefused } from './refusals.ts';
import type { ConnectionChange } from './schema.ts';
import {
  type ConnectionRow,
  findConnection,
  lockConnection,
  releaseReference,
  type Settings,
  updateRoleId,
  updateSettings,
  updateState,
} from './store.ts';
import { deleteVerification, restartVerification, startVerification } from './verification/store.ts';

type Records = Done<unknown>['records'];

async function done(trx: Transaction, id: string, records: Records): Promise<Done<ConnectionRow>> {
  return { result: requireFound(await findConnection(trx, id)), records, affectsDecisions: true };
}

/** @throws Problem `not_found`, `connection_disconnected`, `connection_state_refused`, `reference_taken`, `insufficient_scope`, … */
export async function changeConnection(
  trx: Transaction,
  caller: Caller,
  idOrReference: string,
  { state, ...settings }: ConnectionChange,
  assertLabelsUnambiguous: AssertLabelsUnambiguous,
): Promise<Done<ConnectionRow>> {
  if (settings.labels !== undefined || settings.tenant !== undefined) requireAccessScope(caller);
  const row = requireConnected(await lockConnection(trx, idOrReference));
  return done(trx, row.id, [
    ...(await changeSettings(trx, row, settings, assertLabelsUnambiguous)),
    ...(state === 'paused' ? await pause(trx, row) : []),
    ...(state === 'active' ? await resume(trx, row) : []),
  ]);
}

async function changeSettings(
  trx: Transaction,
  row: ConnectionRow,
  settings: Settings,
  assertLabelsUnambiguous: AssertLabelsUnambiguous,
): Promise<Records> {
  const names = Object.keys(settings) as (keyof Settings)[];
  if (names.length === 0) return [];
  const { labels } = settings;
  if (labels !== undefined) await assertLabelsUnambiguous(trx, { connectionId: row.id, labels });
  if (!(await updateSettings(trx, row.id, settings))) throw referenceTaken();
  // The trust must allow what tokens now carry: find out now, not at the next exchange.
  const carriesMore =
    (settings.session_tags && !row.session_tags) || (settings.source_identity && !row.source_identity);
  if (carriesMore && isPolled(row.state)) await restartVerification(trx, row.id);
  const before = Object.fromEntries(names.map((name) => [name, row[name]]));
  return [{ kind: 'connection.updated', connection: row.id, details: { before, after: { ...settings } } }];
}

async function pause(trx: Transaction, row: ConnectionRow): Promise<Records> {
  if (row.state === 'paused') return [];
  const next = nextState(row.state, 'paused', row.role_id !== null);
  if (next === undefined) throw stateRefused(row, 'paused', 'Only a connection that STS has let in can be paused.');
  await updateState(trx, row.id, next, '');
  await deleteVerification(trx, row.id);
  return [{ kind: 'connection.paused', connection: row.id, details: { was: row.state } }];
}

/** What was paused is proven again before it says Active; a re-created role is accepted, and pinned when STS shows it next. */
async function resume(trx: Transaction, row: ConnectionRow): Promise<Records> {
  if (row.state === 'active') return [];
  const next = nextState(row.state, 'resumed', row.role_id !== null);
  if (next === undefined)
    throw stateRefused(row, 'resumed', 'Create its stack, and ask POST …/verify: it becomes active by itself.');
  const accepted = row.state === 'degraded' && row.state_reason === 'role_recreated' ? row.role_id : undefined;
  if (accepted !== undefined) await updateRoleId(trx, row.id, null);
  if (next !== row.state) await updateState(trx, row.id, next, 'resumed');
  await restartVerification(trx, row.id);
  const details = { was: row.state, ...(accepted === undefined ? {} : { unpinned_role_id: accepted }) };
  return [{ kind: 'connection.resumed', connection: row.id, details }];
}

/**
 * STS is polled from now on; where it is already, from the beginning of the schedule.
 * @param by what it was asked with: `link`, `template` or `verify`; the first two only look at a connection that is past `verifying`
 * @throws Problem `not_found`, `connection_disconnected`, `connection_state_refused`
 */
export async function requestVerification(
  trx: Transaction,
  idOrReference: string,
  by: 'link' | 'template' | 'verify',
): Promise<Done<ConnectionRow>> {
  const row = requireConnected(await lockConnection(trx, idOrReference));
  const waiting = row.state === 'pending' || row.state === 'verifying';
  if (by !== 'verify' && !waiting) return { result: row, records: [], affectsDecisions: false };
  const next = nextState(row.state, 'verification_requested', row.role_id !== null);
  if (next === undefined) {
    const hint =
      row.state === 'paused'
        ? 'Resume it (PATCH {"state": "active"}): that verifies it.'
        : 'An operator must look at its trust policy first.';
    throw stateRefused(row, 'verified', hint);
  }
  if (next !== row.state) await updateState(trx, row.id, next, '');
  await startVerification(trx, row.id);
  const changed = next !== row.state;
  const records =
    changed || by === 'verify'
      ? [{ kind: 'connection.verification_requested', connection: row.id, details: { by } }]
      : [];
  return { result: requireFound(await findConnection(trx, row.id)), records, affectsDecisions: changed };
}

/** For good: the private keys are destroyed, and what they signed opens nothing any more. Twice is once. */
export async function disconnect(
  trx: Transaction,
  idOrReference: string,
  rings: Pick<Rings, 'destroyPrivateKeys'>,
): Promise<Done<ConnectionRow>> {
  const row = requireFound(await lockConnection(trx, idOrReference));
  if (row.state === 'disconnected') return { result: row, records: [], affectsDecisions: false };
  await updateState(trx, row.id, 'disconnected', '');
  await releaseReference(trx, row.id);
  await deleteVerification(trx, row.id);
  await rings.destroyPrivateKeys(trx, row.issuer);
  return done(trx, row.id, [
    {
      kind: 'connection.disconnected',
      connection: row.id,
      details: { was: row.state, reference: row.reference, issuer: row.issuer },
    },
  ]);
}
