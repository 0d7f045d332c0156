// All rings of this process, packed; those that are asked for again and again stay open beside.
import { LRUCache } from 'lru-cache';
import type { Ring } from './facts.ts';
import { packRings, unpackRings } from './packed.ts';

export interface RingMemory {
  readonly size: number;
  /** The same array until something about the issuer's rings changes, or others were asked for in between. */
  find(issuer: string): readonly Ring[] | undefined;
  /**
   * In place of the ring of the same id, beside the issuer's others.
   * @returns whether anything about it is new: what changed is read more than once while other transactions are open.
   */
  put(ring: Ring): boolean;
  /** Unpacked one issuer after the other, and not kept. */
  all(): Iterable<readonly Ring[]>;
  /** As packed, for a snapshot: each issuer once, however long that takes. */
  entries(): Iterable<readonly [issuer: string, packed: string]>;
  putPacked(issuer: string, packed: string): void;
}

/** Issuers whose rings stay unpacked. */
const OPEN = 1000;

export function createRingMemory(): RingMemory {
  const packed = new Map<string, string>();
  const open = new LRUCache<string, Ring[]>({ max: OPEN });
  return {
    get size() {
      return packed.size;
    },

    find: (issuer) => {
      const kept = open.get(issuer);
      if (kept) return kept;
      const found = packed.get(issuer);
      if (found === undefined) return undefined;
      const rings = unpackRings(issuer, found);
      open.set(issuer, rings);
      return rings;
    },

    put: (ring) => {
      const known = packed.get(ring.issuer);
      const rings = known === undefined ? [] : unpackRings(ring.issuer, known);
      const at = rings.findIndex((other) => other.id === ring.id);
      const next = packRings(at < 0 ? [...rings, ring] : rings.with(at, ring));
      if (next === known) return false;
      packed.set(ring.issuer, next);
      open.delete(ring.issuer);
      return true;
    },

    all: function* () {
      for (const [issuer, bytes] of packed) yield unpackRings(issuer, bytes);
    },

    entries: () => packed,

    putPacked: (issuer, bytes) => {
      packed.set(issuer, bytes);
      open.delete(issuer);
    },
  };
}
