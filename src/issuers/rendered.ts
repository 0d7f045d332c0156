// Documents as text, each rendered once: a JWKS stands until its rings change, or a key of it leaves by time.
import { LRUCache } from 'lru-cache';
import type { Ring } from '../keys/facts.ts';
import { discoveryDocument, entityTag, type IssuerUrls, jwksDocument } from './documents.ts';

export interface Rendered {
  body: string;
  /** Of the body: one byte a character. */
  length: string;
  etag: string;
}

export interface RenderedDocuments {
  discovery(issuer: string): Rendered;
  /** @param rings as the view holds them: never altered, replaced when something about them changes */
  jwks(issuer: string, rings: readonly Ring[], now: number): Rendered;
}

interface Kept extends Rendered {
  rings: readonly Ring[];
  /** Between these times no key comes or goes; milliseconds since the epoch. */
  from: number;
  until: number;
}

/** Issuers whose text is kept; the rest is rendered when asked for, so that a million of them stay points in memory. */
const KEPT = 1000;

/** The bytes that are served, wherever they are served from. @throws Error where they would not be ASCII */
export function render(document: object): Rendered {
  const body = JSON.stringify(document);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with them
  if (!/^[\x00-\x7f]*$/.test(body)) throw new Error('a document must be ASCII');
  return { body, length: String(body.length), etag: entityTag(body) };
}

export function createRenderedDocuments(urls: IssuerUrls): RenderedDocuments {
  const discoveries = new LRUCache<string, Rendered>({ max: KEPT });
  const keySets = new LRUCache<string, Kept>({ max: KEPT });
  return {
    discovery: (issuer) => {
      const kept = discoveries.get(issuer);
      if (kept) return kept;
      const fresh = render(discoveryDocument(urls, issuer));
      discoveries.set(issuer, fresh);
      return fresh;
    },

    jwks: (issuer, rings, now) => {
      const kept = keySets.get(issuer);
      if (kept && kept.rings === rings && kept.from <= now && now < kept.until) return kept;
      // What a key is changes by time alone when it is removed; all else is a new fact, and so a new ring.
      const removals = rings.flatMap((ring) => ring.keys.flatMap((key) => key.removedAt ?? []));
      const from = Math.max(...removals.filter((at) => at <= now));
      const until = Math.min(...removals.filter((at) => at > now));
      const fresh = { rings, from, until, ...render(jwksDocument(rings, now)) };
      keySets.set(issuer, fresh);
      return fresh;
    },
  };
}
