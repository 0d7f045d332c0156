// A scratch issuer for a drill: real keys, published as any, that nothing is ever minted by; then ended, and facts remain.
import type { Actor, Done } from '../../audit/act.ts';
import { Problem } from '../../errors.ts';
import { createId } from '../../ids.ts';
import { listIssuerRings } from '../../keys/facts.ts';
import { insertRevocation } from '../../keys/revoke.ts';
import { lock, type RotateDeps, seeOwnChange } from '../../keys/rotate.ts';
import { publishedKeys } from '../../keys/timeline.ts';
import { insertIssuer } from '../store.ts';
import { countPrivateHalves, isScratch, listForgotten } from './store.ts';

export interface Begun {
  issuer: string;
  ring: string;
  kids: string[];
}

export interface Ended {
  issuer: string;
  /** False where it was ended before. */
  changed: boolean;
  revoked: string[];
  private_halves_destroyed: number;
  private_halves_left: number;
}

/** One that is not ended after this is taken for forgotten. */
const FORGOTTEN_MS = 3_600_000;

/** Makes a scratch issuer with its ring, and ends those that were forgotten. */
export async function beginDrill(deps: RotateDeps, actor: Actor): Promise<Begun> {
  for (const issuer of await listForgotten(deps.db, (await deps.readClock(deps.db)) - FORGOTTEN_MS))
    await endDrill(deps, issuer, actor);
  const issuer = createId('is');
  const prepared = await deps.rings.prepare({ issuer, algorithm: 'ES256', purpose: 'web_identity_token' });
  const begun: Begun = { issuer, ring: `${issuer}:ES256`, kids: prepared.keys.map(({ kid }) => kid) };
  await deps.act(actor, async (trx) => {
    await insertIssuer(trx, { id: issuer, kind: 'connection' });
    await deps.rings.insert(trx, prepared, actor);
    return {
      result: undefined,
      records: [{ kind: 'key.drill_begun', details: { ...begun } }],
      affectsDecisions: false,
    };
  });
  await seeOwnChange(deps);
  return begun;
}

/**
 * Ends a drill: its keys are revoked, its private halves deleted, its ring retired. Twice is once.
 * @throws Problem `not_found` for an issuer of anything else
 */
export async function endDrill(deps: RotateDeps, issuer: string, actor: Actor): Promise<Ended> {
  if (!(await isScratch(deps.db, issuer)))
    throw new Problem('not_found', 'There is no drill of this issuer.', {
      hint: 'Issuers of connections end with them: countersign connection disconnect.',
    });
  const [ring] = await listIssuerRings(deps.db, issuer, await deps.readClock(deps.db));
  if (!ring) throw new Problem('not_found', 'This drill has no ring.', { hint: 'Begin another.' });
  const ended = await deps.act(actor, async (trx): Promise<Done<Ended>> => {
    const locked = await lock(trx, ring.id, deps.readClock);
    const before = await countPrivateHalves(trx, issuer);
    const published = publishedKeys(locked.ring.keys, locked.now).map(({ kid }) => kid);
    for (const kid of published) await insertRevocation(trx, kid, locked, false, actor);
    await deps.rings.destroyPrivateKeys(trx, issuer);
    const left = await countPrivateHalves(trx, issuer);
    const changed = before > 0 || published.length > 0;
    const counts = { private_halves_destroyed: before - left, private_halves_left: left };
    const result = { issuer, changed, revoked: published, ...counts };
    const records = changed ? [{ kind: 'key.drill_ended', details: { ...result } }] : [];
    return { result, records, affectsDecisions: false };
  });
  await seeOwnChange(deps);
  return ended;
}
