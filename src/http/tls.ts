// The internal listener's certificate and key: read together, checked, and read again while connections go on.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions, type Server } from 'node:tls';
import type { Clock } from '../clock.ts';
import { renewBy, type Term } from '../reach/renewal.ts';

export interface TlsFiles {
  certFile: string;
  keyFile: string;
}

interface Pair {
  cert: Buffer;
  key: Buffer;
}

export const MIN_TLS = 'TLSv1.2';
const DAY_MS = 86_400_000;

/** Names the variable, and what to do; never a byte of the key. */
class PairFault extends Error {}

function parseCertificate(cert: Buffer, file: string): X509Certificate {
  try {
    return new X509Certificate(cert);
  } catch {
    throw new PairFault(
      `INTERNAL_TLS_CERT_FILE: ${file} holds no certificate in PEM; it must hold the certificate, then those between it and its authority.`,
    );
  }
}

function parseKey(key: Buffer, file: string): KeyObject {
  try {
    return createPrivateKey(key);
  } catch {
    throw new PairFault(
      `INTERNAL_TLS_KEY_FILE: ${file} holds no private key in PEM, or one with a passphrase; take that off.`,
    );
  }
}

/** @throws PairFault */
function checkPair({ cert, key }: Pair, { certFile, keyFile }: TlsFiles): X509Certificate {
  const certificate = parseCertificate(cert, certFile);
  if (!certificate.checkPrivateKey(parseKey(key, keyFile)))
    throw new PairFault(
      `INTERNAL_TLS_KEY_FILE: ${keyFile} is not the key of the certificate in ${certFile}; give the two that were made together.`,
    );
  try {
    createSecureContext({ cert, key, minVersion: MIN_TLS });
  } catch (error) {
    throw new PairFault(
      `INTERNAL_TLS_CERT_FILE: OpenSSL does not take what is in ${certFile} (${(error as { code?: string }).code ?? 'no reason given'}); make it anew, with a key of 2048 bits (RSA) or P-256.`,
    );
  }
  return certificate;
}

function unreadable(name: string, file: string, error: unknown): PairFault {
  const reason = (error as { code?: string }).code ?? 'no reason given';
  return new PairFault(`${name}: ${file} cannot be read (${reason}); make it readable for this user.`);
}

function readPair({ certFile, keyFile }: TlsFiles): Pair {
  const read = (name: string, file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw unreadable(name, file, error);
    }
  };
  return { cert: read('INTERNAL_TLS_CERT_FILE', certFile), key: read('INTERNAL_TLS_KEY_FILE', keyFile) };
}

/** Why a listener cannot start with these files; undefined where it can. */
export function findPairFault(files: TlsFiles): string | undefined {
  try {
    checkPair(readPair(files), files);
    return undefined;
  } catch (error) {
    if (error instanceof PairFault) return error.message;
    throw error;
  }
}

export interface Certificate {
  /** What new connections are made with. */
  options(): SecureContextOptions;
  /** Of the one in use. */
  term(): Term;
  /** Tells this server of every renewal; its connections go on as they are. */
  renew(server: Server): void;
  /**
   * Reads the files again, whatever replaced them: a symlink swapped, a file renamed or written over. What does not fit
   * together leaves the old pair in use, and is logged once, when it is still so at the next look.
   */
  refresh(): Promise<void>;
}

export interface CertificateDeps {
  clock: Clock;
  log: Record<'info' | 'warn' | 'error', (details: object, message: string) => void>;
}

/** @throws PairFault for files that `findPairFault` would name */
export function loadCertificate(files: TlsFiles, { clock, log }: CertificateDeps): Certificate {
  let pair = readPair(files);
  let certificate = checkPair(pair, files);
  let broken: { fault: string; logged: boolean } | undefined;
  let saidOn: number | undefined;
  const servers: Server[] = [];

  const options = (): SecureContextOptions => ({ ...pair, minVersion: MIN_TLS });
  const facts = (): object => ({ cert_file: files.certFile, not_after: certificate.validToDate.toISOString() });

  const term = (): Term => ({ from: certificate.validFromDate.getTime(), until: certificate.validToDate.getTime() });

  /** Once a day: a certificate that nobody renews is seen before it stops everybody. */
  function sayWhenNear(): void {
    const now = clock.wall();
    const day = Math.floor(now / DAY_MS);
    if (now < renewBy(term()) || saidOn === day) return;
    saidOn = day;
    if (now >= term().until)
      log.error(facts(), 'the certificate of the internal listener has expired: renew INTERNAL_TLS_CERT_FILE');
    else log.warn(facts(), 'the certificate of the internal listener is about to expire: renew INTERNAL_TLS_CERT_FILE');
  }

  async function readAgain(): Promise<Pair> {
    const read = (name: string, file: string): Promise<Buffer> =>
      readFile(file).catch((error: unknown) => {
        throw unreadable(name, file, error);
      });
    const [cert, key] = await Promise.all([
      read('INTERNAL_TLS_CERT_FILE', files.certFile),
      read('INTERNAL_TLS_KEY_FILE', files.keyFile),
    ]);
    return { cert, key };
  }

  sayWhenNear();
  return {
    options,
    term,
    renew: (server) => void servers.push(server),
    refresh: async () => {
      try {
        const found = await readAgain();
        if (!found.cert.equals(pair.cert) || !found.key.equals(pair.key)) {
          certificate = checkPair(found, files);
          pair = found;
          saidOn = undefined;
          for (const server of servers) server.setSecureContext(options());
          log.info(facts(), 'the certificate of the internal listener was renewed');
        }
        broken = undefined;
      } catch (error) {
        if (!(error instanceof PairFault)) throw error;
        const before = broken?.fault === error.message ? broken : undefined;
        // Whoever replaces two files is between them for a moment: that is not worth a line.
        if (before && !before.logged)
          log.error({ fault: error.message }, 'the certificate was not renewed: the old one stays');
        broken = { fault: error.message, logged: before !== undefined };
      }
      sayWhenNear();
    },
  };
}
