// Which ring a request means.
import type { Db } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import type { Algorithm } from './algorithms.ts';
import * as facts from './facts.ts';
import type { ReadClock } from './store.ts';

export interface ResolveDeps {
  db: Db;
  readClock: ReadClock;
}

/** The issuer's only ring, or that of the algorithm named. @throws Problem `not_found`, `invalid_request` */
export async function resolveRing(
  { db, readClock }: ResolveDeps,
  issuer: string,
  algorithm?: Algorithm,
): Promise<string> {
  const rings = await facts.listIssuerRings(db, issuer, await readClock(db));
  const found = algorithm ? rings.find((ring) => ring.algorithm === algorithm) : rings[0];
  if (!found)
    throw new Problem('not_found', 'There is no such ring of keys.', { hint: 'List them with GET /v1/keys.' });
  if (!algorithm && rings.length > 1)
    throw new Problem('invalid_request', 'This issuer has several rings.', { hint: 'Name the algorithm.' });
  return found.id;
}

/** The ring that a key of this issuer is or was in. @throws Problem `not_found` */
export async function resolveRingOfKey({ db, readClock }: ResolveDeps, issuer: string, kid: string): Promise<string> {
  for (const ring of await facts.listIssuerRings(db, issuer, await readClock(db))) {
    if ((await facts.listRingKeys(db, ring.id)).some((key) => key.kid === kid)) return ring.id;
  }
  throw new Problem('not_found', 'This issuer has no such key.', { hint: 'See GET /v1/keys/{issuer} for its keys.' });
}
