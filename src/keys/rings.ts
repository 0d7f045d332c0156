// Rings are born with two keys, in the transaction of their issuer; key pairs are made before it, one at a time.
import type { KeyObject } from 'node:crypto';
import type { Actor } from '../audit/act.ts';
import type { Transaction } from '../db/connect.ts';
import { type Algorithm, generatePrivateKey, publicBytes, publicJwk, thumbprint } from './algorithms.ts';
import { encrypt, type Kek } from './encrypt.ts';
import { readPolicy } from './policies.ts';
import type { Purpose } from './policy.ts';
import { deletePrivateKeys, insertActivation, insertKey, insertRing, type ReadClock, ringId } from './store.ts';
import { nextRotationAt } from './timeline.ts';

export interface PreparedKey {
  kid: string;
  public: Buffer;
  privateKey: KeyObject;
}

export interface PreparedRing {
  algorithm: Algorithm;
  keys: [PreparedKey, PreparedKey];
}

export interface Rings {
  /** A key pair; slow for RSA, and never two at once in one process. */
  prepareKey(algorithm: Algorithm): Promise<PreparedKey>;
  /** The two key pairs of a new ring. */
  prepare(algorithm: Algorithm): Promise<PreparedRing>;
  /** Writes a ring with key 0 active and key 1 standby. The issuer's row must be there. */
  insert(
    trx: Transaction,
    ring: { issuer: string; algorithm: Algorithm; purpose: Purpose },
    prepared: PreparedRing,
    actor: Actor,
  ): Promise<void>;
  /** Writes one more key of a ring, encrypted for its place. */
  insertKey(
    trx: Transaction,
    ring: { id: string; algorithm: Algorithm; purpose: Purpose },
    key: PreparedKey,
    at: number,
    bornWithRing: boolean,
  ): Promise<void>;
  /** Deletes every private half of an issuer; its public keys stay as facts. */
  destroyPrivateKeys(trx: Transaction, issuer: string): Promise<void>;
}

export function createRings({ kek, readClock }: { kek: Kek; readClock: ReadClock }): Rings {
  let turn: Promise<unknown> = Promise.resolve();

  const rings: Rings = {
    prepareKey: (algorithm) => {
      const generated = turn.then(async () => {
        const privateKey = await generatePrivateKey(algorithm);
        const bytes = publicBytes(privateKey);
        return { kid: thumbprint(publicJwk(algorithm, bytes)), public: bytes, privateKey };
      });
      turn = generated.catch(() => {});
      return generated;
    },

    prepare: async (algorithm) => ({
      algorithm,
      keys: [await rings.prepareKey(algorithm), await rings.prepareKey(algorithm)],
    }),

    insert: async (trx, { issuer, algorithm, purpose }, prepared, actor) => {
      const id = ringId(issuer, algorithm);
      const at = await readClock(trx);
      const policy = await readPolicy(trx, at);
      const [first, second] = prepared.keys;
      const standby = { kid: second.kid, publishedAt: at, bornWithRing: true };
      await insertRing(trx, {
        id,
        issuer,
        algorithm,
        purpose,
        at,
        nextRotationAt: nextRotationAt({ signsFrom: at }, standby, policy),
      });
      for (const key of prepared.keys) await rings.insertKey(trx, { id, algorithm, purpose }, key, at, true);
      await insertActivation(trx, {
        ring: id,
        seq: 0,
        kid: first.kid,
        at,
        reason: actor.reason ?? 'born with the ring',
        actor: actor.id,
      });
    },

    insertKey: async (trx, ring, key, at, bornWithRing) => {
      const pkcs8 = key.privateKey.export({ format: 'der', type: 'pkcs8' });
      const place = {
        table: 'private_keys',
        kid: key.kid,
        ring: ring.id,
        algorithm: ring.algorithm,
        purpose: ring.purpose,
      } as const;
      const envelope = await encrypt(kek, pkcs8, place);
      pkcs8.fill(0);
      await insertKey(trx, {
        kid: key.kid,
        ring: ring.id,
        at,
        bornWithRing,
        public: key.public,
        kek: kek.id,
        envelope,
      });
    },

    destroyPrivateKeys: async (trx, issuer) => {
      await deletePrivateKeys(trx, issuer);
    },
  };
  return rings;
}
