// The start's look at key-encryption keys: those of the configuration open every row, and the database says which wraps.
import { type Act, SYSTEM } from '../../audit/act.ts';
import type { AwsKms } from '../../clouds/aws-kms.ts';
import type { Db } from '../../db/connect.ts';
import { StartError } from '../../errors.ts';
import { type Keyring, noKek, readKeyring } from './keyring.ts';
import { makeKekFile } from '../kek.ts';
import { nameThoseWithout } from './replicas.ts';
import type { KekSource } from '../sources.ts';
import { countByKek, hasChoices, insertChoice, lockChoice } from './store.ts';

export interface KeyringOptions {
  /** At least one; the first may be made. */
  sources: readonly KekSource[];
  /** Only a loopback issuer on the embedded database may have its key made. */
  mayCreate: boolean;
  kms: AwsKms;
}

/**
 * Reads the key-encryption keys, or makes the first where it may be made and no row needs another.
 * @throws StartError `kek_missing`, `kek_wrong`, `kek_malformed`, `kek_exposed`, `kek_unreadable`
 */
export async function loadKeyring(db: Db, { sources, mayCreate, kms }: KeyringOptions): Promise<Keyring> {
  const needed = (await countByKek(db)).map(({ kek }) => kek);
  const keyring = await readKeyring(sources, {
    kms,
    missing: async (file) => {
      if (needed.length > 0)
        throw new StartError(
          'kek_missing',
          `There is no key-encryption key at ${file}, and the database holds private keys that are wrapped by ${needed.join(', ')}.`,
          'Put it back from its backup, or take it out of the configuration if another of its keys is the one that is named. A new one is never made over existing rows.',
        );
      const [first] = sources;
      const isFirst = first && 'file' in first && first.file === file;
      if (!mayCreate || !isFirst) throw noKek(file);
      return await makeKekFile(file);
    },
  });
  await assertOpens(db, keyring);
  return keyring;
}

/** @throws StartError `kek_wrong` where rows are wrapped by a key that is not among them */
export async function assertOpens(db: Db, keyring: Keyring): Promise<void> {
  const foreign = (await countByKek(db)).filter(({ kek }) => !keyring.find(kek)).map(({ kek }) => kek);
  if (foreign.length > 0) throw wrong(keyring, `the database's private keys are wrapped by ${foreign.join(', ')}`);
}

function wrong(keyring: Keyring, why: string): StartError {
  const given = keyring.keks.map(({ id, source }) => `${id} (${source})`).join(', ');
  return new StartError(
    'kek_wrong',
    `The configuration gives the key-encryption key ${given}, but ${why}.`,
    'Add the key that is named: KEY_ENCRYPTION_KEY_FILE, or one more in KEY_ENCRYPTION_KEYS. It can go when `countersign kek show` says that the rotation is finished.',
  );
}

/**
 * Follows the database's word for what wraps; where it has none yet, it is the key that wrapped its rows, or the first.
 * A key that was not given and has wrapped nothing that is left gives way to the first, where whoever lives opens that: it is
 * lost, and AWS KMS holds every private half by now. To be called once this replica has said what it opens: a rotation that does not know of it is seen here.
 * @throws StartError `kek_wrong`
 */
export async function settleWrapping(db: Db, act: Act, keyring: Keyring): Promise<void> {
  if (!(await hasChoices(db))) {
    const [wrapped] = await countByKek(db);
    if (wrapped) keyring.follow(wrapped.kek);
    return;
  }
  const chosen = await act(SYSTEM, async (trx) => {
    const standing = await lockChoice(trx);
    const wrapped = (await countByKek(trx))[0]?.kek;
    const kek = wrapped ?? keyring.wrapping().id;
    const stands = standing && (keyring.find(standing.kek) || wrapped || (await nameThoseWithout(trx, kek)).length > 0);
    if (stands) return { result: standing.kek, records: [], affectsDecisions: false };
    const [seq, reason] = standing ? [standing.seq + 1, 'nothing is under the one before'] : [0, 'found at the start'];
    await insertChoice(trx, { seq, kek, reason, actor: SYSTEM.id, finished: true });
    return { result: kek, records: [{ kind: 'kek.chosen', details: { kek } }], affectsDecisions: false };
  });
  if (!keyring.find(chosen)) throw wrong(keyring, `what is new is wrapped by ${chosen}, since a rotation`);
  keyring.follow(chosen);
}
