// What should stand at a target, issuer by issuer: the very bytes that the service itself serves, read from the database.
import type { Static } from 'typebox';
import type { Db } from '../db/connect.ts';
import { decodeCursor, encodeCursor } from '../http/paging.ts';
import {
  DOCUMENT_PATHS,
  discoveryDocument,
  entityTag,
  type IssuerUrls,
  jwksDocument,
  PLATFORM,
} from '../issuers/documents.ts';
import { render } from '../issuers/rendered.ts';
import { listRingsOfIssuers, type Ring } from '../keys/facts.ts';
import { listPolicyVersions } from '../keys/policies.ts';
import { maxAgeSeconds, obeyedPolicy } from '../keys/policy.ts';
import type { ReadClock } from '../keys/store.ts';
import { publishedKeys } from '../keys/timeline.ts';
import type { DocumentsPage, DocumentsQuery, PublishedDocument } from './schema.ts';
import * as store from './store.ts';

export interface DocumentsDeps {
  db: Db;
  readClock: ReadClock;
  urls: IssuerUrls;
}

type Page = Static<typeof DocumentsPage>;

function parseSince(text: string | undefined): store.Since | undefined {
  if (text === undefined) return undefined;
  const [horizon, from] = text.split('.') as [string, string];
  return { horizon, from: Number(from) };
}

export const writeSince = ({ horizon, from }: store.Since): string => `${horizon}.${from}`;

/** A database restored from a backup counts transactions anew: what was seen may be from its future, so everything is. */
export async function readSince(db: Db, text: string | undefined): Promise<store.Since | undefined> {
  const since = parseSince(text);
  if (since === undefined || BigInt(since.horizon) > BigInt(await store.readHorizon(db))) return undefined;
  return since;
}

const pathOf = (issuer: string, document: keyof typeof DOCUMENT_PATHS): string =>
  `${issuer === PLATFORM ? '' : `c/${issuer}/`}${DOCUMENT_PATHS[document].slice(1)}`;

/** In the order in which they are put there: whoever finds a discovery document finds the JWKS that it names. */
function describe(urls: IssuerUrls, issuer: string, rings: readonly Ring[], now: number, maxAge: number) {
  const kids = rings.flatMap((ring) => publishedKeys(ring.keys, now).map((key) => key.kid));
  const made = [
    { document: 'jwks' as const, body: render(jwksDocument(rings, now)).body, kids },
    { document: 'discovery' as const, body: render(discoveryDocument(urls, issuer)).body },
  ];
  return made.map((one) => ({
    ...one,
    path: pathOf(issuer, one.document),
    version: entityTag(`${maxAge}\n${one.body}`).slice(1, -1),
  }));
}

async function selectIssuers(
  deps: DocumentsDeps,
  target: string,
  query: Static<typeof DocumentsQuery>,
): Promise<{ issuers: string[]; first: Pick<Page, 'since' | 'total'> }> {
  const { db, readClock } = deps;
  if (query.issuer !== undefined) return { issuers: [query.issuer], first: {} };
  const limit = (query.limit ?? 100) + 1;
  const [after = ''] = decodeCursor(query.cursor, 1) ?? [];
  if (query.revoked) return { issuers: await store.listRevokedIssuers(db, target, after, limit), first: {} };
  const since = await readSince(db, query.since);
  // Both before anything else is read: what happens meanwhile is looked at again by the next pass.
  const from = await readClock(db);
  const horizon = await store.readHorizon(db);
  const issuers = await store.listChangedIssuers(db, { since, now: from, after, limit });
  if (query.cursor !== undefined) return { issuers, first: {} };
  const total = await store.countChangedIssuers(db, since, from);
  return { issuers, first: { since: writeSince({ horizon, from }), total } };
}

/**
 * One page of documents with what the record says of each. The record is read before the facts: whoever writes over what
 * the record names, and over nothing else, never puts an older document in place of a newer one.
 */
export async function readDocuments(
  deps: DocumentsDeps,
  target: string,
  query: Static<typeof DocumentsQuery>,
): Promise<Page> {
  const { db, readClock, urls } = deps;
  const limit = query.limit ?? 100;
  const { issuers: found, first } = await selectIssuers(deps, target, query);
  const issuers = found.slice(0, limit);
  const placed = issuers.length === 0 ? [] : await store.listPlacedDocuments(db, target, issuers);
  const now = await readClock(db);
  const maxAge = maxAgeSeconds(obeyedPolicy(await listPolicyVersions(db)));
  const rings = issuers.length === 0 ? [] : await listRingsOfIssuers(db, issuers, now);
  const items = issuers.flatMap((issuer) => {
    const own = rings.filter((ring) => ring.issuer === issuer);
    if (own.length === 0) return [];
    const documents = describe(urls, issuer, own, now, maxAge).map((one): Static<typeof PublishedDocument> => {
      const known = placed.find((row) => row.issuer === issuer && row.document === one.document);
      const stands = known?.version === one.version && query.issuer === undefined;
      const { body, ...rest } = one;
      return {
        ...rest,
        ...(stands ? {} : { body }),
        ...(known ? { placed: { version: known.version, tag: known.tag } } : {}),
      };
    });
    return [{ issuer, documents }];
  });
  const last = issuers.at(-1);
  const more = found.length > limit && last !== undefined ? { next_cursor: encodeCursor([last]) } : {};
  return { max_age: maxAge, ...first, items, ...more };
}
