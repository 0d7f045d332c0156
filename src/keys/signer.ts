// Signing: an interface of one method, wherever the private half is: in the database, or held by another system.
import { createPrivateKey } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { Db } from '../db/connect.ts';
import { unavailable } from '../errors.ts';
import { publicBytes, publicJwk, signData, thumbprint } from './algorithms.ts';
import { decrypt, placeOf } from './encrypt.ts';
import { HELD, type Holders } from './held/holder.ts';
import { findHeldKey } from './held/store.ts';
import { createHeldSign } from './held/verified.ts';
import type { Keyring } from './keyring/keyring.ts';
import { DESTROY_MARGIN } from './policy.ts';
import { findEnvelope } from './store.ts';

export interface Signer {
  /** The JWS signature of `data` by the private half of `kid`. */
  sign(kid: string, data: Uint8Array): Promise<Uint8Array>;
}

export interface LocalSigner extends Signer {
  /** Whether this private half can sign: it is open, or opens. Never throws. */
  opens(kid: string): Promise<boolean>;
  /** Drops the private halves whose time in memory is over. */
  forget(): void;
  /** Drops one private half: its row was deleted before its time. */
  drop(kid: string): void;
}

type Stored = NonNullable<Awaited<ReturnType<typeof findEnvelope>>>;
type Sign = (data: Uint8Array) => Promise<Uint8Array>;

/** Private halves kept open in memory at most. */
const KEPT = 20_000;

export interface SignerDeps {
  db: Db;
  keyring: Pick<Keyring, 'find'>;
  clock: Clock;
  /** Systems that hold private halves. */
  holders?: Holders | undefined;
}

export function createLocalSigner({ db, keyring, clock, holders }: SignerDeps): LocalSigner {
  async function openHere(kid: string, record: Stored): Promise<Sign> {
    const { algorithm, envelope } = record;
    const kek = keyring.find(record.kek);
    if (!kek)
      throw unavailable(
        `The signing key is under the key-encryption key ${record.kek}, which this process was not given.`,
      );
    const pkcs8 = await decrypt(kek, envelope, placeOf(kid, record)).catch((error: unknown) => {
      throw unavailable('The private half of the signing key does not open.', error);
    });
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    pkcs8.fill(0);
    // The kid is the thumbprint of the key that signs, whatever the row says.
    if (thumbprint(publicJwk(algorithm, publicBytes(key))) !== kid)
      throw unavailable('The private half is not of its key.');
    return (data) => signData(algorithm, key, data);
  }

  async function openThere(kid: string, { algorithm, public: publicHalf }: Stored): Promise<Sign> {
    const held = await findHeldKey(db, kid);
    const holder = held && holders?.[held.signer];
    if (!holder) throw unavailable('This process does not know the system that holds the signing key.');
    return createHeldSign(holder, { kid, name: held.name, algorithm, publicHalf });
  }

  /**
   * A private half stays open for as long as its row may outlive its last signature, and no longer: whichever process
   * deletes the row, every other has forgotten the key by then.
   */
  const keys = new LRUCache<string, Sign>({
    max: KEPT,
    ttl: DESTROY_MARGIN,
    ttlResolution: 0,
    perf: { now: () => clock.monotonic() },
    fetchMethod: async (kid) => {
      const record = await findEnvelope(db, kid);
      if (!record) throw unavailable('The private half of the signing key is gone.');
      return record.kek === HELD ? await openThere(kid, record) : await openHere(kid, record);
    },
  });
  const open = async (kid: string): Promise<Sign | undefined> => keys.get(kid) ?? (await keys.fetch(kid));

  return {
    sign: async (kid, data) => {
      const signWith = await open(kid);
      if (!signWith) throw unavailable('The signing key could not be opened.');
      return await signWith(data);
    },
    opens: (kid) =>
      open(kid).then(
        (key) => key !== undefined,
        () => false,
      ),
    forget: () => {
      keys.purgeStale();
    },
    drop: (kid) => {
      keys.delete(kid);
    },
  };
}
