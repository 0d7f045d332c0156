// A key pair made in another system, and known here by its name: whatever happens next, somebody destroys it.
import type { Db } from '../../db/connect.ts';
import { type Algorithm, publicBytes, publicJwk, thumbprint } from '../algorithms.ts';
import type { Holder, HolderKind } from './holder.ts';
import { insertHeldKey } from './store.ts';

export interface MadeKey {
  kid: string;
  name: string;
  algorithm: Algorithm;
  publicHalf: Buffer;
}

/**
 * Not inside a transaction.
 * @param explain what the other system refused, as an error for the caller
 * @throws that error, or the database's
 */
export async function makeHeldKey(
  db: Db,
  holder: Holder,
  place: { signer: HolderKind; region: string; algorithm: Algorithm; ring: string },
  explain: (error: unknown) => Error,
): Promise<MadeKey> {
  const { signer, algorithm, ring } = place;
  const refused = (error: unknown): never => {
    throw explain(error);
  };
  const name = await holder.create(place).catch(refused);
  try {
    const publicHalf = publicBytes(await holder.publicKey(name).catch(refused));
    const kid = thumbprint(publicJwk(algorithm, publicHalf));
    await insertHeldKey(db, { name, signer, kid, ring });
    return { kid, name, algorithm, publicHalf };
  } catch (error) {
    // Told at once; and again by whoever looks for orphans, as no ring ever has a key of that id.
    await Promise.allSettled([holder.destroy(name), insertHeldKey(db, { name, signer, kid: name, ring })]);
    throw error;
  }
}
