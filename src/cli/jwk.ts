// Key files: making a pair, reading a private key to sign with, reading a public key to register. RFC 7517, RFC 7638.
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { Failure } from './failure.ts';
import { readText } from './options.ts';
import { createPrivate } from './private-file.ts';

export type Algorithm = 'ES256' | 'RS256';
export type PublicJwk = { kty: 'EC'; crv: string; x: string; y: string } | { kty: 'RSA'; n: string; e: string };

/** The public members alone, in the order of RFC 7638. Node's export may add none, other tools' do. */
export function publicJwk(key: KeyObject): PublicJwk {
  const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' }) as Record<string, string>;
  if (kty === 'EC' && crv && x && y) return { kty, crv, x, y };
  if (kty === 'RSA' && n && e) return { kty, n, e };
  throw new Failure('key_unsupported', 'This kind of key is not accepted.', {
    hint: 'Use EC P-256 (ES256) or RSA of 2048 to 4096 bits (RS256).',
  });
}

/** RFC 7638 with SHA-256, base64url. */
export function thumbprint(jwk: PublicJwk): string {
  const members =
    jwk.kty === 'EC' ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y } : { e: jwk.e, kty: jwk.kty, n: jwk.n };
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}

/** @throws Failure for anything but EC P-256 and RSA. */
export function algorithmOf(key: KeyObject): Algorithm {
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  throw new Failure('key_unsupported', 'This kind of key is not accepted.', {
    hint: 'Use EC P-256 (ES256) or RSA of 2048 to 4096 bits (RS256).',
  });
}

/** A private key from PEM (PKCS #8) or a JWK. @throws Failure that names the file, never what is in it. */
export function readPrivateKey(file: string): KeyObject {
  const text = readText(file).trim();
  try {
    return text.startsWith('{') ? createPrivateKey({ format: 'jwk', key: JSON.parse(text) }) : createPrivateKey(text);
  } catch {
    throw new Failure('key_unreadable', `${file} does not hold a private key that can be read.`, {
      hint: 'It must be PEM (PKCS #8, without a passphrase) or a private JWK; make one with: countersign workload key generate --out FILE',
    });
  }
}

/** A public key to register, from a JWK or PEM. A private key is refused: it has no business here. */
export function readPublicJwk(file: string): PublicJwk {
  const text = readText(file).trim();
  if (/PRIVATE KEY-----/.test(text) || /^\{[^]*"d"\s*:/.test(text)) {
    throw new Failure('private_key_given', `${file} holds a private key; only its public half is registered.`, {
      hint: 'Where the private key is: openssl pkey -in KEY -pubout, and give that file.',
    });
  }
  let key: KeyObject;
  try {
    key = text.startsWith('{') ? createPublicKey({ format: 'jwk', key: JSON.parse(text) }) : createPublicKey(text);
  } catch {
    throw new Failure('key_unreadable', `${file} does not hold a public key that can be read.`, {
      hint: 'It must be a public JWK or PEM (SPKI).',
    });
  }
  algorithmOf(key);
  return publicJwk(key);
}

const generate = promisify(generateKeyPair) as (
  type: string,
  options: object,
) => Promise<{ privateKey: KeyObject; publicKey: KeyObject }>;

/**
 * Makes a key pair and writes its private half (PKCS #8, PEM) to `file`, mode 0600, whole or not at all,
 * never over a file that is there.
 * @returns the public half, which is all that may leave this machine.
 */
export async function generateKeyFile(file: string, algorithm: Algorithm): Promise<PublicJwk> {
  const { privateKey, publicKey } =
    algorithm === 'ES256'
      ? await generate('ec', { namedCurve: 'P-256' })
      : await generate('rsa', { modulusLength: 3072 });
  try {
    createPrivate(file, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown fault';
    if (code === 'EEXIST')
      throw new Failure('file_exists', `${file} is there already; a key is never written over.`, {
        hint: 'Give another file to --out.',
      });
    throw new Failure('file_unwritable', `${file} cannot be written: ${code}.`, {
      hint: 'Check the folder and who may write there.',
    });
  }
  return publicJwk(publicKey);
}
