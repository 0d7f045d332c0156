// What a publisher reports under its lease: what it put in place, and that a pass is complete.
import type { Static } from 'typebox';
import type { Done } from '../audit/act.ts';
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import type { ReadClock } from '../keys/store.ts';
import { readSince } from './documents.ts';
import type { Lease, LeaseBody, PassBody, Placed, PlacedBody } from './schema.ts';
import * as store from './store.ts';
import { requireOpen } from './targets.ts';

/** Milliseconds: each report renews it, and a publisher that died is followed by another after that. */
const LEASE_MS = 60_000;

const nothing = <T>(result: T): Done<T> => ({ result, records: [], affectsDecisions: false });
const iso = (date: Date): string => date.toISOString();

/** A publisher that was followed by another reports nothing: what it knows may be older. @throws Problem `publishing_lease_lost` */
async function renew(trx: Transaction, target: string, epoch: number, now: number): Promise<void> {
  const row = await store.lockPass(trx, target);
  if (row.epoch !== epoch)
    throw new Problem('publishing_lease_lost', 'Another publisher has followed this one.', {
      hint: 'Let it publish, or take a new lease once it has ended.',
    });
  await store.updatePass(trx, target, { leased_until: new Date(now + LEASE_MS) });
}

/** @throws Problem `publishing_leased` while another publisher holds it */
export async function lease(
  trx: Transaction,
  readClock: ReadClock,
  target: string,
  { holder, epoch, release }: Static<typeof LeaseBody>,
): Promise<Done<Static<typeof Lease>>> {
  const { target: name } = await requireOpen(trx, target);
  const row = await store.lockPass(trx, target);
  const now = await readClock(trx);
  const mine = row.epoch === epoch;
  if (!mine && row.leased_until && row.leased_until.getTime() > now)
    throw new Problem('publishing_leased', `${row.holder ?? 'Another publisher'} publishes to ${name} now.`, {
      hint: 'One at a time: wait until it has ended; one that was killed is followed after a minute.',
      retryAfter: Math.ceil((row.leased_until.getTime() - now) / 1000),
      extra: { until: iso(row.leased_until) },
    });
  const next = mine ? row.epoch : row.epoch + 1;
  const until = new Date(release ? now : now + LEASE_MS);
  await store.updatePass(trx, target, { epoch: next, holder, leased_until: until });
  return nothing({
    ...{ epoch: next, until: iso(until) },
    ...(row.since === null ? {} : { since: row.since }),
    ...(row.verified_at === null ? {} : { verified_at: iso(row.verified_at) }),
  });
}

/** @throws Problem `publishing_lease_lost`, `invalid_request` for a key that is not the issuer's */
export async function recordPlaced(
  trx: Transaction,
  readClock: ReadClock,
  target: string,
  { epoch, documents }: Static<typeof PlacedBody>,
): Promise<Done<Static<typeof Placed>>> {
  const { target: name } = await requireOpen(trx, target);
  const names = new Set(documents.map(({ issuer, document }) => `${issuer} ${document}`));
  const sets = documents.filter(({ document }) => document === 'jwks');
  const keys = sets.flatMap(({ issuer, kids = [], anew = false }) => kids.map((kid) => ({ issuer, kid, anew })));
  const kids = keys.map((key) => key.kid);
  if (names.size < documents.length || new Set(kids).size < kids.length || sets.some((set) => set.kids === undefined))
    throw new Problem('invalid_request', 'Each document stands here once, and a JWKS with each of its keys once.', {
      hint: 'Report what was put in place, and nothing else.',
    });
  await renew(trx, target, epoch, await readClock(trx));
  const issuersNamed = new Set(documents.map(({ issuer }) => issuer));
  const known = (await store.countIssuers(trx, issuersNamed)) === issuersNamed.size;
  if (!known || (await store.countKnown(trx, keys)) !== keys.length)
    throw new Problem('invalid_request', 'A key in it is none of that issuer, or an issuer is none of this service.', {
      hint: 'Report the documents as GET /v1/publishing/targets/{target}/documents gave them.',
    });
  const at = await readClock(trx);
  await store.upsertPlacedDocuments(trx, target, documents);
  const placed = await store.insertPlacements(trx, target, keys, at);
  const issuers = sets.map(({ issuer }) => issuer);
  const withdrawn = await store.insertWithdrawals(trx, target, { issuers, kids }, at);
  const details = { target, to: name, placed, withdrawn };
  const records = placed.length + withdrawn.length === 0 ? [] : [{ kind: 'publishing.placed', details }];
  return { result: { placed: placed.length, withdrawn: withdrawn.length }, records, affectsDecisions: false };
}

/** @throws Problem `publishing_lease_lost`, `invalid_request` for a time or a transaction that is not there yet */
export async function recordPass(
  trx: Transaction,
  readClock: ReadClock,
  target: string,
  { epoch, since, verified }: Static<typeof PassBody>,
): Promise<Done<store.TargetRow>> {
  await requireOpen(trx, target);
  const now = await readClock(trx);
  const start = await readSince(trx, since);
  if (!start || start.from > now)
    throw new Problem('invalid_request', 'This start of a pass is not one that the service gave.', {
      hint: 'Send `since` of the first page of documents.',
    });
  await renew(trx, target, epoch, now);
  const at = new Date(start.from);
  await store.updatePass(trx, target, { since, passed_at: at, ...(verified ? { verified_at: at } : {}) });
  return nothing((await store.findTarget(trx, target)) as store.TargetRow);
}
