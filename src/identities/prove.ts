// From a token of a trusted issuer to the client that it belongs to: the one way, whatever the token is shown for.
import { LRUCache } from 'lru-cache';
import type { Refusals } from '../audit/refusals.ts';
import type { ReplayKey } from '../audit/store.ts';
import type { Db } from '../db/connect.ts';
import { hasFederation, hasPeople } from '../db/federation.ts';
import { SOON_MS, within } from '../db/within.ts';
import type { Compact } from '../tokens/compact.ts';
import { ProofRefused } from '../trusted-issuers/refused.ts';
import { readableName } from '../trusted-issuers/sign-in.ts';
import type { TrustedIssuer } from '../trusted-issuers/store.ts';
import {
  type IssuedToken,
  readIssuedToken,
  type Shown,
  type VerifyIssuedDeps,
  verifyIssuedToken,
} from '../trusted-issuers/verify.ts';
import { matches, subjectsThatTake } from './match.ts';
import { type Against, findAgainst } from './store.ts';

export interface Proved {
  /** `wl_…`, or of a person also `ad_…`. */
  client: string;
  /** The only one that the token names. */
  audience: string;
  /** Of the trusted issuer: what a platform's tokens must name at the token endpoint. */
  tokenAudience: string;
  /** Seconds since the epoch. */
  expiresAt: number;
  /** The policy epoch under which all this was so. */
  epoch: number;
  /** Of a one-time token: taken with the record, or it was shown before. */
  replay: ReplayKey | undefined;
  /** What a record keeps of it. */
  details: {
    identity: string;
    trusted_issuer: string;
    external_subject: string;
    /** What people call a person; to read, and not to match. */
    person: string | undefined;
    proof_kid: string;
    proof_jti: string | undefined;
    would_match: string[] | undefined;
  };
}

export interface ProofOf {
  shown: Shown;
  /** The client that it is to prove, where that is said. */
  client?: string | undefined;
  /** Which is meant by a person who may be one of each. */
  prefers?: 'ad_' | 'wl_';
  /** The token's parts, where they were read. */
  compact?: Compact | undefined;
}

/** @throws ProofRefused; Problem `unavailable` */
export type Prove = (token: string, of: ProofOf) => Promise<Proved>;

export interface ProveDeps extends VerifyIssuedDeps {
  db: Db;
  issuerUrl: string;
  /** The policy epoch as this process last saw it. */
  epoch(): number;
  refusals: Pick<Refusals, 'record'>;
}

type Candidate = Against['identities'][number];

const REMEMBERED = 10_000;

function replayOf({ issuer, payload }: IssuedToken, { one_time }: TrustedIssuer, exp: number): ReplayKey | undefined {
  if (!one_time) return undefined;
  const { jti } = payload;
  if (typeof jti !== 'string' || !/^[!-~]{1,255}$/.test(jti))
    throw new ProofRefused('its issuer is trusted for one-time tokens, and it has no jti');
  return { issuer, jti, expiresAt: new Date((exp + 60) * 1000) };
}

const nameOf = ({ issuer, subject }: IssuedToken): string => JSON.stringify([issuer, subject]);

/**
 * The client that is meant among those whose identity a token has.
 * @param matched at least one
 * @throws ProofRefused
 */
function choose(matched: readonly Candidate[], { client, prefers = 'wl_' }: ProofOf): Candidate {
  // Overlaps are refused when identities are given; were there one all the same, nobody would be let in.
  for (const registry of ['wl_', 'ad_'])
    if (new Set(matched.flatMap(({ owner }) => (owner.startsWith(registry) ? [owner] : []))).size > 1)
      throw new ProofRefused('more than one client has this identity');
  const meant = client
    ? matched.find(({ owner }) => owner === client)
    : (matched.find(({ owner }) => owner.startsWith(prefers)) ?? matched[0]);
  if (!meant) throw new ProofRefused("it is not an identity of this client_id's");
  return meant;
}

export function createProve(deps: ProveDeps): Prove {
  const { db, issuerUrl, epoch, refusals } = deps;
  const remembered = new LRUCache<string, Against>({ max: REMEMBERED });
  /** By `iss` and epoch: of forty clusters with one `iss`, each account's answer would have all forty's keys of its own. */
  const issuers = new LRUCache<string, Against['issuers']>({ max: REMEMBERED / 10 });
  const there = { federation: false, people: false };

  async function read({ issuer, subject }: IssuedToken): Promise<Against> {
    there.federation ||= await within(SOON_MS, hasFederation(db));
    if (!there.federation) return { issuers: [], identities: [], epoch: epoch() };
    there.people ||= await within(SOON_MS, hasPeople(db));
    const found = await within(SOON_MS, findAgainst(db, issuer, subjectsThatTake(subject), there.people));
    if (found.issuers.length === 0) return found;
    const known = JSON.stringify([issuer, found.epoch]);
    const same = issuers.get(known) ?? found.issuers;
    issuers.set(known, same);
    return { ...found, issuers: same };
  }

  /** A platform's token never has a person's identity, nor a sign-in a platform's. */
  const matching = (token: IssuedToken, shown: Shown, { identities }: Against): Candidate[] =>
    identities.filter(
      (identity) => identity.person === (shown === 'person') && matches(identity, token.subject, token.payload),
    );

  /** A rule that only reports is on record where nothing else let the token in, once a minute. */
  async function report(rules: readonly Candidate[]): Promise<void> {
    for (const { id, owner } of rules)
      await refusals.record({
        ...{ kind: 'identity.reported', actor: owner, code: id },
        workload: owner.startsWith('wl_') ? owner : undefined,
      });
  }

  async function proveAgainst(token: IssuedToken, of: ProofOf, against: Against): Promise<Proved> {
    const { shown } = of;
    const { issuer, expiresAt } = await verifyIssuedToken(token, shown, against.issuers, deps);
    const all = matching(token, shown, against).filter(({ trusted_issuer }) => trusted_issuer === issuer.id);
    const reporting = all.filter(({ report_only }) => report_only);
    const enforced = all.filter(({ report_only }) => !report_only);
    if (enforced.length === 0) {
      await report(reporting);
      const nobody = shown === 'person' ? 'nobody here' : 'no workload';
      throw new ProofRefused(`${nobody} has this identity: compare its sub and claims with those of the identities`);
    }
    const { id: identity, owner: client } = choose(enforced, of);
    const { jti } = token.payload;
    // Of what was proved alone: a stranger's token leaves nothing behind.
    remembered.set(nameOf(token), against);
    return {
      ...{ client, audience: token.audience, tokenAudience: issuer.audience ?? issuerUrl, expiresAt },
      epoch: against.epoch,
      // A sign-in is shown until it ends, by the command that keeps it.
      replay: shown === 'person' ? undefined : replayOf(token, issuer, expiresAt),
      details: {
        ...{ identity, trusted_issuer: issuer.id, external_subject: token.subject, proof_kid: token.kid },
        person: shown === 'person' ? readableName(token.payload) : undefined,
        proof_jti: typeof jti === 'string' && /^[\x20-\x7e]{1,255}$/.test(jti) ? jti : undefined,
        would_match: reporting.length > 0 ? reporting.map(({ id }) => id) : undefined,
      },
    };
  }

  return async (text, of) => {
    const token = readIssuedToken(text, issuerUrl, of.compact);
    const known = remembered.get(nameOf(token));
    // What is remembered may only say yes: an identity that it lacks may have been given elsewhere a moment ago.
    const yes = known?.epoch === epoch() && matching(token, of.shown, known).some(({ report_only }) => !report_only);
    const proved = known && yes ? await proveAgainst(token, of, known).catch(() => undefined) : undefined;
    return proved ?? (await proveAgainst(token, of, await read(token)));
  };
}
