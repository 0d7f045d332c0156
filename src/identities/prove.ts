// From a platform's token to the workload that it belongs to: the one way, whatever the token is shown for.
import { LRUCache } from 'lru-cache';
import type { Refusals } from '../audit/refusals.ts';
import type { ReplayKey } from '../audit/store.ts';
import type { Db } from '../db/connect.ts';
import { SOON_MS, within } from '../db/within.ts';
import type { Compact } from '../tokens/compact.ts';
import type { TrustedIssuer } from '../trusted-issuers/store.ts';
import { hasFederation } from '../db/federation.ts';
import {
  type PlatformToken,
  ProofRefused,
  readPlatformToken,
  type VerifyPlatformDeps,
  verifyPlatformToken,
} from '../trusted-issuers/verify.ts';
import { matches, subjectsThatTake } from './match.ts';
import { type Against, findAgainst } from './store.ts';

export interface Proved {
  /** `wl_…` */
  workload: string;
  /** The only one that the token names. */
  audience: string;
  /** Of the trusted issuer: what its tokens must name at the token endpoint. */
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
    proof_kid: string;
    proof_jti: string | undefined;
    would_match: string[] | undefined;
  };
}

/** @param compact its parts, where they were read @throws ProofRefused; Problem `unavailable` */
export type Prove = (token: string, compact?: Compact) => Promise<Proved>;

export interface ProveDeps extends VerifyPlatformDeps {
  db: Db;
  issuerUrl: string;
  /** The policy epoch as this process last saw it. */
  epoch(): number;
  refusals: Pick<Refusals, 'record'>;
}

const REMEMBERED = 10_000;

function replayOf({ issuer, payload }: PlatformToken, { one_time }: TrustedIssuer, exp: number): ReplayKey | undefined {
  if (!one_time) return undefined;
  const { jti } = payload;
  if (typeof jti !== 'string' || !/^[!-~]{1,255}$/.test(jti))
    throw new ProofRefused('its issuer is trusted for one-time tokens, and it has no jti');
  return { issuer, jti, expiresAt: new Date((exp + 60) * 1000) };
}

const nameOf = ({ issuer, subject }: PlatformToken): string => JSON.stringify([issuer, subject]);

export function createProve(deps: ProveDeps): Prove {
  const { db, issuerUrl, epoch, refusals } = deps;
  const remembered = new LRUCache<string, Against>({ max: REMEMBERED });
  let there = false;

  async function read({ issuer, subject }: PlatformToken): Promise<Against> {
    there ||= await within(SOON_MS, hasFederation(db));
    if (!there) return { issuer: undefined, identities: [], epoch: epoch() };
    return await within(SOON_MS, findAgainst(db, issuer, subjectsThatTake(subject)));
  }

  const matching = (token: PlatformToken, { identities }: Against) =>
    identities.filter((identity) => matches(identity, token.subject, token.payload));

  /** A rule that only reports is on record where nothing else let the token in, once a minute. */
  async function report(rules: Against['identities']): Promise<void> {
    for (const { id, workload } of rules)
      await refusals.record({ kind: 'identity.reported', actor: workload, workload, code: id });
  }

  async function proveAgainst(token: PlatformToken, against: Against): Promise<Proved> {
    const { expiresAt } = await verifyPlatformToken(token, against.issuer, deps);
    const issuer = against.issuer as TrustedIssuer;
    const all = matching(token, against);
    const reporting = all.filter(({ report_only }) => report_only);
    const [first, ...others] = all.filter(({ report_only }) => !report_only);
    if (!first) {
      await report(reporting);
      throw new ProofRefused('no workload has this identity: compare its sub and claims with those of the identities');
    }
    // Overlaps are refused when identities are given; were there one all the same, nobody would be let in.
    if (others.some(({ workload }) => workload !== first.workload))
      throw new ProofRefused('more than one workload has this identity');
    const { jti } = token.payload;
    // Of what was proved alone: a stranger's token leaves nothing behind.
    remembered.set(nameOf(token), against);
    return {
      ...{ workload: first.workload, audience: token.audience, tokenAudience: issuer.audience ?? issuerUrl, expiresAt },
      ...{ epoch: against.epoch, replay: replayOf(token, issuer, expiresAt) },
      details: {
        ...{ identity: first.id, trusted_issuer: issuer.id, external_subject: token.subject, proof_kid: token.kid },
        proof_jti: typeof jti === 'string' && /^[\x20-\x7e]{1,255}$/.test(jti) ? jti : undefined,
        would_match: reporting.length > 0 ? reporting.map(({ id }) => id) : undefined,
      },
    };
  }

  return async (text, compact) => {
    const token = readPlatformToken(text, issuerUrl, compact);
    const known = remembered.get(nameOf(token));
    // What is remembered may only say yes: an identity that it lacks may have been given elsewhere a moment ago.
    const yes = known?.epoch === epoch() && matching(token, known).some(({ report_only }) => !report_only);
    const proved = known && yes ? await proveAgainst(token, known).catch(() => undefined) : undefined;
    return proved ?? (await proveAgainst(token, await read(token)));
  };
}
