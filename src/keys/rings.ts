// Rings are born with two keys, in the transaction of their issuer; keys are made and wrapped before it, one at a time.
import type { Actor } from '../audit/act.ts';
import type { Db, Transaction } from '../db/connect.ts';
import { type Algorithm, publicBytes, publicJwk, thumbprint } from './algorithms.ts';
import { unavailable } from '../errors.ts';
import { encrypt, placeOf } from './encrypt.ts';
import { createGenerator } from './generator.ts';
import { HELD, type HolderKind, type Holders } from './held/holder.ts';
import { makeHeldKey } from './held/make.ts';
import { findRingSigner } from './held/store.ts';
import { notMade } from './held/verified.ts';
import type { Keyring } from './keyring/keyring.ts';
import { hasChoices, readChoice, shareChoice } from './keyring/store.ts';
import { readPolicy } from './policies.ts';
import type { Purpose } from './policy.ts';
import { deletePrivateKeys, insertKey, insertRing, type ReadClock, ringId } from './store.ts';
import { nextRotationAt } from './timeline.ts';

/** What a key is made for: its private half opens there alone. */
export interface RingPlace {
  id: string;
  algorithm: Algorithm;
  purpose: Purpose;
}

/** A key pair that no ring has yet; its private half is wrapped already, or held by another system. */
export interface PreparedKey {
  kid: string;
  public: Buffer;
  kek: string;
  envelope: Buffer;
}

export interface PreparedRing {
  issuer: string;
  algorithm: Algorithm;
  purpose: Purpose;
  keys: [PreparedKey, PreparedKey];
}

export interface Rings {
  /** A key pair for a ring; slow for RSA, and never two at once in one process. Not inside a transaction. */
  prepareKey(ring: RingPlace): Promise<PreparedKey>;
  /** A new ring with its two key pairs, made here. Not inside a transaction. */
  prepare(ring: { issuer: string; algorithm: Algorithm; purpose: Purpose }): Promise<PreparedRing>;
  /** Writes a ring with key 0 active and key 1 standby. The issuer's row must be there. */
  insert(trx: Transaction, prepared: PreparedRing, actor: Actor): Promise<void>;
  /** Writes one more key of the ring that it was prepared for. @throws Problem `unavailable` where it was wrapped by a key that is chosen no more */
  insertKey(trx: Transaction, ring: { id: string }, key: PreparedKey, at: number, bornWithRing: boolean): Promise<void>;
  /** Deletes every private half of an issuer; its public keys stay as facts. */
  destroyPrivateKeys(trx: Transaction, issuer: string): Promise<void>;
}

export interface RingsDeps {
  db: Db;
  keyring: Keyring;
  readClock: ReadClock;
  /** Where keys can be made instead of here. */
  holders?: Holders | undefined;
}

export function createRings({ db, keyring, readClock, holders }: RingsDeps): Rings {
  let turn: Promise<unknown> = Promise.resolve();
  let choices = false;
  const generatePrivateKey = createGenerator();

  /** Wrapped by what this process knows to wrap; a newer choice is seen when the row is written. */
  async function makeHere(ring: RingPlace): Promise<PreparedKey> {
    const kek = keyring.wrapping();
    const privateKey = await generatePrivateKey(ring.algorithm);
    const bytes = publicBytes(privateKey);
    const kid = thumbprint(publicJwk(ring.algorithm, bytes));
    const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
    const envelope = await encrypt(kek, pkcs8, placeOf(kid, ring));
    pkcs8.fill(0);
    return { kid, public: bytes, kek: kek.id, envelope };
  }

  /** Known by name before any ring has it: one that never gets a row is found, and destroyed. */
  async function makeThere(signer: HolderKind, region: string | null, ring: RingPlace): Promise<PreparedKey> {
    const holder = holders?.[signer];
    if (!holder || region === null) throw notMade(new Error(`this process knows no ${signer}`));
    const place = { signer, region, algorithm: ring.algorithm, ring: ring.id };
    const { kid, publicHalf } = await makeHeldKey(db, holder, place, notMade);
    return { kid, public: publicHalf, kek: HELD, envelope: Buffer.alloc(0) };
  }

  /** Never two at once in one process. */
  function inTurn<T>(make: () => Promise<T>): Promise<T> {
    const made = turn.then(make);
    turn = made.catch(() => {});
    return made;
  }

  /** Tables do not go away: asked until it is there. */
  async function latestChoice<T>(at: Db, read: () => Promise<T>): Promise<T | undefined> {
    choices ||= await hasChoices(at);
    return choices ? await read() : undefined;
  }

  async function follow(): Promise<void> {
    const choice = await latestChoice(db, () => readChoice(db));
    if (choice) keyring.follow(choice.kek);
  }

  /** The last word on what wraps holds until the transaction ends. @throws Problem `unavailable` */
  async function assertWrapped(trx: Transaction, keys: readonly PreparedKey[]): Promise<void> {
    const choice = await latestChoice(trx, () => shareChoice(trx));
    if (keys.some(({ kek }) => kek !== HELD && choice && choice.kek !== kek))
      throw unavailable('The key-encryption key was rotated while this key was made.');
  }

  return {
    prepareKey: (ring) =>
      inTurn(async () => {
        const { signer, region } = await findRingSigner(db, ring.id);
        if (signer !== 'local') return await makeThere(signer, region, ring);
        await follow();
        return await makeHere(ring);
      }),

    // Nobody can have chosen a signer for a ring that is not there yet.
    prepare: (ring) =>
      inTurn(async () => {
        const { issuer, algorithm, purpose } = ring;
        const place = { id: ringId(issuer, algorithm), algorithm, purpose };
        await follow();
        return { ...ring, keys: [await makeHere(place), await makeHere(place)] };
      }),

    insert: async (trx, { issuer, algorithm, purpose, keys }, actor) => {
      const id = ringId(issuer, algorithm);
      const at = await readClock(trx);
      const policy = await readPolicy(trx, at);
      const [first, second] = keys;
      const standby = { kid: second.kid, publishedAt: at, bornWithRing: true };
      await assertWrapped(trx, keys);
      const of = { ring: id, at, bornWithRing: true };
      await insertRing(
        trx,
        { id, issuer, algorithm, purpose, at, nextRotationAt: nextRotationAt({ signsFrom: at }, standby, policy) },
        keys.map((key) => ({ ...key, ...of })),
        { ring: id, seq: 0, kid: first.kid, at, reason: actor.reason ?? 'born with the ring', actor: actor.id },
      );
    },

    insertKey: async (trx, ring, key, at, bornWithRing) => {
      await assertWrapped(trx, [key]);
      await insertKey(trx, { ...key, ring: ring.id, at, bornWithRing });
    },

    destroyPrivateKeys: async (trx, issuer) => {
      await deletePrivateKeys(trx, issuer);
    },
  };
}
