// Another system that holds private halves and signs with them: what it must be able to do, and which ones there are.
import type { KeyObject } from 'node:crypto';
import type { Algorithm } from '../algorithms.ts';

/** Stands where the id of a key-encryption key stands, in the row of a private half that is held elsewhere. */
export const HELD = 'held';

export interface Holder {
  /** Makes a key pair. @returns its name there */
  create(input: { region: string; algorithm: Algorithm; ring: string }): Promise<string>;
  /** @returns the public half */
  publicKey(name: string): Promise<KeyObject>;
  /** @returns a signature as JWS wants it */
  sign(name: string, algorithm: Algorithm, data: Uint8Array): Promise<Buffer>;
  /** From now on it signs no more; no error where that is so already. */
  destroy(name: string): Promise<void>;
}

export const HOLDERS = ['aws_kms'] as const;

export type HolderKind = (typeof HOLDERS)[number];

export type Holders = Readonly<Record<HolderKind, Holder>>;
