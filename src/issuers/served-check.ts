// A standby is looked for in the JWKS that strangers are given, to the byte, before it signs.
import type { Clock } from '../clock.ts';
import { Problem } from '../errors.ts';
import { publishedJwk } from '../keys/algorithms.ts';
import type { Check } from '../keys/conditions.ts';
import type { Ring, RingKey } from '../keys/facts.ts';
import { activeKey } from '../keys/timeline.ts';
import { judgeAnswer } from '../reach/answers.ts';
import { nameFailure } from '../reach/failures.ts';
import { worstOf } from '../reach/findings.ts';
import type { Ask } from '../reach/stranger.ts';
import { issuerUrlOf } from './documents.ts';

/** Seconds after which the queue looks again. */
const RETRY_AFTER = 60;

export interface ServedCheckDeps {
  /** ISSUER_URL, without a trailing slash. */
  issuerUrl: string;
  ask: Ask;
  clock: Clock;
}

function notServed(url: URL, because: string, finding?: string): Problem {
  return new Problem('standby_not_served', `The standby key is not in the JWKS that strangers are given: ${because}`, {
    hint: `Read ${url.href} as a verifier would: every replica and cache in front of it must serve the key before it signs. The key that signs now goes on signing.`,
    retryAfter: RETRY_AFTER,
    extra: { url: url.href, ...(finding === undefined ? {} : { finding }) },
  });
}

/** What is wrong with how a key stands in a JWKS; undefined where it stands as we publish it, and once. */
function faultOf(keys: readonly unknown[], { algorithm }: Ring, key: RingKey): string | undefined {
  const named = keys.filter((jwk) => (jwk as { kid?: unknown } | null)?.kid === key.kid) as Record<string, unknown>[];
  if (named.length !== 1) return named.length === 0 ? `it lacks ${key.kid}.` : `it has ${key.kid} more than once.`;
  const ours = publishedJwk(algorithm, key.kid, key.public);
  const differs = [...new Set([...Object.keys(ours), ...Object.keys(named[0] ?? {})])].find(
    (member) => named[0]?.[member] !== ours[member],
  );
  return differs === undefined ? undefined : `${key.kid} has another \`${differs.slice(0, 40)}\` there.`;
}

/**
 * Fetches the issuer's JWKS through ISSUER_URL, as a verifier does, and finds the standby in it exactly as it is published,
 * beside the key that signs now. One request, bounded by its deadline.
 */
export function createServedCheck({ issuerUrl, ask, clock }: ServedCheckDeps): Check {
  return async (ring, standby) => {
    const url = new URL(`${issuerUrlOf(issuerUrl, ring.issuer)}/jwks`);
    const sent = clock.monotonic();
    const answer = await ask(url).catch((error: unknown) => nameFailure(url, error));
    if ('code' in answer) return notServed(url, answer.detail, answer.code);
    const { findings, document } = judgeAnswer(url.href, answer, clock.monotonic() - sent, clock.wall());
    const worst = worstOf(findings);
    if (worst || !document) return notServed(url, worst?.detail ?? 'there is none.', worst?.code);
    const keys = Array.isArray(document['keys']) ? document['keys'] : [];
    const active = activeKey(ring.keys, standby.publishedAt);
    const fault = faultOf(keys, ring, standby) ?? (active && faultOf(keys, ring, active));
    return fault === undefined ? undefined : notServed(url, fault);
  };
}
