// The key-encryption keys that this process was given: all of them open, one of them wraps.
import type { AwsKms } from '../../clouds/aws-kms.ts';
import { StartError, unavailable } from '../../errors.ts';
import type { Kek } from '../encrypt.ts';
import { readKekFile } from '../kek.ts';
import type { KekSource } from '../sources.ts';
import { openKmsKek } from './kms-kek.ts';

export interface Keyring {
  /** In the order of the configuration. */
  keks: readonly Kek[];
  find(id: string): Kek | undefined;
  /** What wraps: as the database said last, and before it has the first. */
  wrapping(): Kek;
  /** Takes the database's word for what wraps. @throws Problem `unavailable` where this process was not given that key */
  follow(id: string): Kek;
}

/** @param keks at least one */
export function createKeyring(keks: readonly Kek[]): Keyring {
  let [current] = keks as [Kek];
  const find = (id: string): Kek | undefined => keks.find((kek) => kek.id === id);
  return {
    ...{ keks, find, wrapping: () => current },
    follow: (id) => {
      const kek = find(id);
      if (!kek)
        throw unavailable(
          `Private halves are wrapped by the key-encryption key ${id}, which this process was not given.`,
        );
      current = kek;
      return kek;
    },
  };
}

export function noKek(file: string): StartError {
  return new StartError(
    'kek_missing',
    `There is no key-encryption key at ${file}.`,
    'Make one (openssl rand -base64 32), keep a copy offline, and point KEY_ENCRYPTION_KEY_FILE at it.',
  );
}

/**
 * Every key-encryption key of the configuration, before a database can say whether they are the right ones.
 * @param options.missing what stands in for a file that is not there
 * @throws StartError `kek_missing`, `kek_malformed`, `kek_exposed`, `kek_unreadable`, and those of `openKmsKek`
 */
export async function readKeyring(
  sources: readonly KekSource[],
  options: { kms: AwsKms; missing(file: string): Promise<Kek> },
): Promise<Keyring> {
  const keks: Kek[] = [];
  for (const source of sources) {
    const kek =
      'kmsKey' in source
        ? await openKmsKek(options.kms, source.kmsKey)
        : ((await readKekFile(source.file)) ?? (await options.missing(source.file)));
    // One key under two names is one key.
    if (!keks.some(({ id }) => id === kek.id)) keks.push(kek);
  }
  return createKeyring(keks);
}
