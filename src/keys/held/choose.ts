// Where the next keys of a ring are made: an act, once the other system was seen to make, sign and destroy one.
import type { Act, Actor } from '../../audit/act.ts';
import { findPartition } from '../../clouds/aws-regions.ts';
import type { Db } from '../../db/connect.ts';
import { requireTable } from '../../db/has-table.ts';
import { Problem } from '../../errors.ts';
import { getRing } from '../rotate.ts';
import { lockRing } from '../store.ts';
import type { HolderKind, Holders } from './holder.ts';
import { makeHeldKey } from './make.ts';
import { findRingSigner, insertRingSigner, type RingSigner, setDeleted } from './store.ts';
import { createHeldSign } from './verified.ts';

export interface ChooseDeps {
  db: Db;
  act: Act;
  holders: Holders;
}

/** @throws Problem `signer_refused` where the other system does not make, sign with, or destroy a key */
async function prove({ db, holders }: ChooseDeps, kind: HolderKind, region: string, ringId: string): Promise<void> {
  const { algorithm } = await getRing(db, ringId);
  const holder = holders[kind];
  try {
    const place = { signer: kind, region, algorithm, ring: ringId };
    const made = await makeHeldKey(db, holder, place, (error) => error as Error);
    const sign = createHeldSign(holder, made);
    try {
      await sign(Buffer.from('probe'));
    } finally {
      await holder.destroy(made.name);
      await setDeleted(db, made.name);
    }
  } catch (error) {
    throw new Problem('signer_refused', `A key cannot be made and used there: ${(error as Error).message}`, {
      ...{ cause: error, extra: { signer: kind, region } },
      hint: 'Nothing was changed. docs/security-team.md says what the process needs there.',
    });
  }
}

/**
 * From the next rotation on, standbys of this ring are made there; each signs one rotation later.
 * @throws Problem `migration_missing`, `invalid_request`, `signer_refused`, `not_found`
 */
export async function chooseSigner(
  deps: ChooseDeps,
  input: { ring: string; signer: RingSigner['signer']; region?: string | undefined },
  actor: Actor & { reason: string },
): Promise<RingSigner & { ring: string; changed: boolean }> {
  const { db, act } = deps;
  const { ring, signer } = input;
  await requireTable(db, 'held_keys', 'The migration 0006_key_custody has not run.');
  if ((signer === 'local') !== (input.region === undefined))
    throw new Problem('invalid_request', 'A region is given with aws_kms, and with nothing else.', {
      hint: 'Say region, e.g. eu-central-1, or leave it out for local.',
    });
  if (input.region !== undefined && findPartition(input.region) === undefined)
    throw new Problem('invalid_request', `${input.region} is no region of AWS that is known here.`, {
      hint: 'It is one such as eu-central-1.',
    });
  const wanted = { signer, region: input.region ?? null };
  const standing = await findRingSigner(db, ring);
  if (standing.signer === wanted.signer && standing.region === wanted.region)
    return { ring, ...wanted, changed: false };
  if (wanted.signer !== 'local') await prove(deps, wanted.signer, wanted.region as string, ring);
  await act(actor, async (trx) => {
    if (!(await lockRing(trx, ring))) throw new Problem('not_found', 'There is no such ring of keys.');
    await insertRingSigner(trx, { ring, ...wanted, reason: actor.reason, actor: actor.id });
    const details = { ring, signer, region: input.region, was: standing.signer };
    return { result: undefined, records: [{ kind: 'key.signer_chosen', details }], affectsDecisions: false };
  });
  return { ring, ...wanted, changed: true };
}
