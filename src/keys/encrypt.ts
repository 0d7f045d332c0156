// Private halves at rest: a fresh AES-256-GCM data key per record, wrapped by the KEK, bound to its place in the database.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Algorithm } from './algorithms.ts';
import type { Purpose } from './policy.ts';

/** Where a ciphertext belongs; one moved elsewhere does not open. */
export interface Place {
  table: 'private_keys';
  kid: string;
  ring: string;
  algorithm: string;
  purpose: string;
}

/** The place of a private half, as its rows name it. */
export function placeOf(kid: string, ring: { id: string; algorithm: Algorithm; purpose: Purpose }): Place {
  return { table: 'private_keys', kid, ring: ring.id, algorithm: ring.algorithm, purpose: ring.purpose };
}

/** What a wrapped key is bound to: bytes that authenticate it, and the same in names, which a KMS writes into its log. */
export interface Context {
  bytes: Uint8Array;
  names: Readonly<Record<string, string>>;
}

/** A key-encryption key, whether in a file or in a KMS. */
export interface Kek {
  /** Names it; stored beside what it wrapped. */
  id: string;
  /** Where it is, for people: a path, a KMS key. */
  source: string;
  wrap(dataKey: Uint8Array, context: Context): Promise<Buffer>;
  /** @throws Error when the KEK, the wrapped key or the context is another. */
  unwrap(wrapped: Uint8Array, context: Context): Promise<Buffer>;
}

const VERSION = 1;
const IV = 12;
const TAG = 16;

/** Length-prefixed, so that no two places have the same bytes. */
function contextOf(place: Place): Context {
  const fields = [`v${VERSION}`, place.table, place.kid, place.ring, place.algorithm, place.purpose];
  const bytes = fields.flatMap((field) => {
    const value = Buffer.from(field, 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    return [length, value];
  });
  return { bytes: Buffer.concat(bytes), names: { version: `v${VERSION}`, ...place } };
}

/** AES-256-GCM: iv, ciphertext, tag. */
export function seal(key: Uint8Array, plaintext: Uint8Array, context: Uint8Array): Buffer {
  const iv = randomBytes(IV);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG });
  cipher.setAAD(context);
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error when anything is not as it was sealed. */
export function open(key: Uint8Array, sealed: Uint8Array, context: Uint8Array): Buffer {
  if (sealed.length < IV + TAG) throw new Error('sealed record is too short');
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV), { authTagLength: TAG });
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG));
  return Buffer.concat([decipher.update(sealed.subarray(IV, sealed.length - TAG)), decipher.final()]);
}

/** @returns version (1 byte), length of the wrapped data key (2 bytes), wrapped data key, sealed plaintext. */
export async function encrypt(kek: Kek, plaintext: Uint8Array, place: Place): Promise<Buffer> {
  const context = contextOf(place);
  const dataKey = randomBytes(32);
  try {
    const wrapped = await kek.wrap(dataKey, context);
    const head = Buffer.alloc(3);
    head.writeUInt8(VERSION);
    head.writeUInt16BE(wrapped.length, 1);
    return Buffer.concat([head, wrapped, seal(dataKey, plaintext, context.bytes)]);
  } finally {
    dataKey.fill(0);
  }
}

/** @throws Error when the envelope is not this place's, was altered, or was wrapped by another KEK. */
export async function decrypt(kek: Kek, envelope: Uint8Array, place: Place): Promise<Buffer> {
  const bytes = Buffer.from(envelope.buffer, envelope.byteOffset, envelope.byteLength);
  if (bytes.length < 3 || bytes.readUInt8(0) !== VERSION) throw new Error('unknown envelope version');
  const end = 3 + bytes.readUInt16BE(1);
  const context = contextOf(place);
  const dataKey = await kek.unwrap(bytes.subarray(3, end), context);
  try {
    return open(dataKey, bytes.subarray(end), context.bytes);
  } finally {
    dataKey.fill(0);
  }
}
