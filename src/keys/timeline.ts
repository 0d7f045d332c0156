// What a key is at a time: a pure function of append-only facts and the clock. All times in milliseconds since the epoch.
import { type KeyPolicy, seasoning } from './policy.ts';

export interface KeyFacts {
  kid: string;
  publishedAt: number;
  /** Key 0 and key 1: no verifier can hold a set without either. */
  bornWithRing: boolean;
  /** The key's activation, where it has one. */
  seq?: number | undefined;
  signsFrom?: number | undefined;
  /** From its successor's activation. */
  removedAt?: number | undefined;
  destroyedAt?: number | undefined;
  revokedAt?: number | undefined;
  /** Where documents are published as files: whether this key is in them. Undefined where they are not, or nobody asked. */
  placement?: Placement | undefined;
}

/** When the last of the targets had the key; or a target that does not have it yet. */
export type Placement = { placedAt: number } | { lackedBy: string };

/** A time that never comes, and yet can be written and compared: that of a key which a published copy lacks. */
export const NEVER = Date.UTC(9999, 11, 31);

export type KeyState = 'standby' | 'active' | 'verify_only' | 'removed' | 'revoked';

export function keyState(key: KeyFacts, now: number): KeyState {
  if (key.revokedAt !== undefined) return 'revoked';
  if (key.seq === undefined) return 'standby';
  if (key.removedAt === undefined) return 'active';
  return now < key.removedAt ? 'verify_only' : 'removed';
}

/** The keys of the JWKS: everything that signs, will sign, or has signed tokens that may still be shown. */
export function publishedKeys<K extends KeyFacts>(keys: readonly K[], now: number): K[] {
  return keys.filter((key) => ['standby', 'active', 'verify_only'].includes(keyState(key, now)));
}

/** The one key that signs; undefined only where a ring has none (the invariant forbids it). */
export function activeKey<K extends KeyFacts>(keys: readonly K[], now: number): K | undefined {
  return keys.find((key) => keyState(key, now) === 'active');
}

export function standbyKey<K extends KeyFacts>(keys: readonly K[], now: number): K | undefined {
  return keys.find((key) => keyState(key, now) === 'standby');
}

/**
 * From when a key may be activated: at birth, or when every verifier's JWKS has it. An origin of ours stops serving an old
 * set after D; a file does not, so that a copy without the key is handed out until the moment the key is placed.
 * @returns `NEVER` where a published copy lacks it.
 */
export function seasonedAt(key: KeyFacts, policy: KeyPolicy): number {
  if (key.bornWithRing) return key.publishedAt;
  const published = key.publishedAt + seasoning(policy);
  if (!key.placement) return published;
  if ('lackedBy' in key.placement) return NEVER;
  return Math.max(published, key.placement.placedAt + policy.verifierCache + policy.clockError);
}

/** From when a key is seasoned at the earliest: where a published copy lacks it, as if it were placed now. */
export function seasonedIfPlaced(key: KeyFacts, policy: KeyPolicy, now: number): number {
  const lacked = key.placement && 'lackedBy' in key.placement;
  return seasonedAt(lacked ? { ...key, placement: { placedAt: now } } : key, policy);
}

/** The same where the key is placed in time: to say when somebody should look, never whether it may sign. */
export function earliestSeasoning(key: KeyFacts, policy: KeyPolicy): number {
  const lacked = key.placement && 'lackedBy' in key.placement;
  return seasonedAt(lacked ? { ...key, placement: undefined } : key, policy);
}

/** By how much of the period rings that were born together part, one rotation after the other. */
const SPREAD = 1 / 20;

/** From 0 to 1, as even as thumbprints are, and the same wherever it is reckoned. */
function lotOf(kid: string): number {
  return (Number.parseInt(Buffer.from(kid, 'base64url').toString('hex', 0, 3), 16) || 0) / 0x1_00_00_00;
}

/**
 * When the next planned activation is due: the later of signs_from + period and the standby's seasoning, and up to a
 * twentieth of the period after it, so that rings which were made at once do not rotate at once.
 */
export function nextRotationAt(active: { signsFrom: number }, standby: KeyFacts, policy: KeyPolicy): number {
  const later = Math.floor(lotOf(standby.kid) * policy.period * SPREAD);
  return Math.max(active.signsFrom + policy.period + later, earliestSeasoning(standby, policy));
}

/** When a ring's planned rotation is due; undefined where it has no active key or no standby. */
export function plannedAt(keys: readonly KeyFacts[], policy: KeyPolicy, now: number): number | undefined {
  const active = activeKey(keys, now);
  const standby = standbyKey(keys, now);
  if (active?.signsFrom === undefined || !standby) return undefined;
  return nextRotationAt({ signsFrom: active.signsFrom }, standby, policy);
}
