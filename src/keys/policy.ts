// The key policy: its times, and the arithmetic that makes them sound. All times in milliseconds.

/** S: the leeway that verifiers give after exp. */
export const LEEWAY = 300_000;
/** What a private half outlives its last possible signature by. */
export const DESTROY_MARGIN = 15 * 60_000;
/** Keys in one JWKS at most. */
export const MAX_KEYS = 10;

export type Purpose = 'workload_token' | 'web_identity_token';

/** T: the longest life that this kind of token can ever have, not the one configured now. */
export const LONGEST_LIFE: Record<Purpose, number> = { workload_token: 900_000, web_identity_token: 120_000 };

export interface KeyPolicy {
  /** A: from an origin's answer to the last use of that JWKS by a verifier. */
  verifierCache: number;
  /** D: the oldest ring view that an origin of ours may serve. */
  oldestServed: number;
  /** R: the oldest view that anybody may sign with. */
  oldestSigned: number;
  /** e: clocks, and the way from a row's time to its commit. */
  clockError: number;
  /** From one planned activation to the next. */
  period: number;
}

export const DEFAULT_POLICY: KeyPolicy = {
  verifierCache: 24 * 3_600_000,
  oldestServed: 72 * 3_600_000,
  oldestSigned: 60_000,
  clockError: 2_000,
  period: 30 * 24 * 3_600_000,
};

/** With a loopback issuer, whose verifiers are on this machine too. */
export const LOOPBACK_POLICY: KeyPolicy = {
  verifierCache: 5_000,
  oldestServed: 5_000,
  oldestSigned: 5_000,
  clockError: 1_000,
  period: 180_000,
};

/**
 * e is shared: clocks that sign may be off by half of it, and a commit may come as late after the time in its rows. Both at
 * once is what the arithmetic has room for.
 */
export function halfOfError(policy: KeyPolicy): number {
  return policy.clockError / 2;
}

/** From a key's publication to the time at which every verifier's JWKS has it: A + D + e. */
export function seasoning(policy: KeyPolicy): number {
  return policy.verifierCache + policy.oldestServed + policy.clockError;
}

/** From a successor's `signs_from` to the removal of its predecessor: R + T + S + e. */
export function retirement(policy: KeyPolicy, purpose: Purpose): number {
  return policy.oldestSigned + LONGEST_LIFE[purpose] + LEEWAY + policy.clockError;
}

/** From a successor's `signs_from` to the deletion of its predecessor's private half: R + e + 15 min. */
export function destruction(policy: KeyPolicy): number {
  return policy.oldestSigned + policy.clockError + DESTROY_MARGIN;
}

/** max-age of discovery and JWKS, in seconds: min(300, A). */
export function maxAgeSeconds(policy: KeyPolicy): number {
  return Math.min(300, Math.floor(policy.verifierCache / 1000));
}

/** How many keys a JWKS of this kind may come to hold: 2 + ceil((R + T + S + e) / period). */
export function mostKeys(policy: KeyPolicy, purpose: Purpose): number {
  return 2 + Math.ceil(retirement(policy, purpose) / policy.period);
}

const seconds = (ms: number): string => `${ms / 1000} s`;

/** The lines of the arithmetic that a policy breaks, each with its figures; none when it is sound. */
export function unsoundLines(policy: KeyPolicy): string[] {
  const lines: string[] = [];
  for (const [name, value] of Object.entries(policy)) {
    if (!Number.isInteger(value) || value <= 0)
      lines.push(`${name} must be a positive whole number of milliseconds, not ${value}`);
  }
  if (lines.length > 0) return lines;
  if (policy.clockError < 1_000)
    lines.push(
      `e must be at least 1 s (clocks, and the way from a row's time to its commit), not ${seconds(policy.clockError)}`,
    );
  if (policy.oldestServed < policy.oldestSigned)
    lines.push(
      `D must be at least R: nobody signs with a view that is too old to be served, and ${seconds(policy.oldestServed)} is below ${seconds(policy.oldestSigned)}`,
    );
  if (policy.period <= seasoning(policy)) {
    lines.push(
      `the period must be above A + D + e: ${seconds(policy.period)} is not above ` +
        `${seconds(policy.verifierCache)} + ${seconds(policy.oldestServed)} + ${seconds(policy.clockError)} = ${seconds(seasoning(policy))}`,
    );
  }
  for (const purpose of ['workload_token', 'web_identity_token'] as const) {
    const keys = mostKeys(policy, purpose);
    if (keys > MAX_KEYS) {
      lines.push(
        `2 + ceil((R + T + S + e) / period) must be at most ${MAX_KEYS} keys: for a ${purpose}, ` +
          `2 + ceil(${seconds(retirement(policy, purpose))} / ${seconds(policy.period)}) = ${keys}`,
      );
    }
  }
  return lines;
}

/** One version of the policy as it stood from `since` until the next. */
export interface PolicyVersion {
  version: number;
  since: number;
  policy: KeyPolicy;
}

const newestOf = (versions: readonly PolicyVersion[]): PolicyVersion =>
  versions.reduce((a, b) => (b.version > a.version ? b : a));

/**
 * What a replica that knows these versions serves and signs by, lowered or raised, from the moment that it knows them:
 * were it to go by an old value as long as `effectivePolicy` reckons with it, that would never end.
 */
export function obeyedPolicy(versions: readonly PolicyVersion[]): KeyPolicy {
  return newestOf(versions).policy;
}

/** How long after a change somebody may still go by the old policy: an origin with its caches, a peer that signs. */
function aftermath(old: KeyPolicy): number {
  return Math.max(seasoning(old), old.oldestSigned + old.clockError);
}

/**
 * The policy whose arithmetic holds at `now`: a raised value counts at once; a lowered one only when nobody goes by the old
 * one any more. A cut-off origin serves by the old D until D after the change, and what a verifier fetched from it then is
 * used for the old A after that.
 */
export function effectivePolicy(versions: readonly PolicyVersion[], now: number): KeyPolicy {
  const newest = newestOf(versions);
  const effective = { ...newest.policy };
  for (const old of versions) {
    const successor = versions.find((candidate) => candidate.version === old.version + 1);
    if (!successor || now >= successor.since + aftermath(old.policy)) continue;
    for (const name of ['verifierCache', 'oldestServed', 'oldestSigned', 'clockError'] as const)
      effective[name] = Math.max(effective[name], old.policy[name]);
  }
  return effective;
}

/** When the newest version alone will count; milliseconds since the epoch, in the past where it does. */
export function settledAt(versions: readonly PolicyVersion[]): number {
  const ends = versions.flatMap((old) => {
    const successor = versions.find((candidate) => candidate.version === old.version + 1);
    return successor ? [successor.since + aftermath(old.policy)] : [];
  });
  return Math.max(0, ...ends);
}

/**
 * The lines that a policy would break as the next version: by itself, and beside what still counts of the ones before.
 * @returns none where it may be set; `from` is when it may, where only time is missing
 */
export function unsoundChange(
  versions: readonly PolicyVersion[],
  next: PolicyVersion,
): { lines: string[]; from?: number | undefined } {
  const lines = unsoundLines(next.policy);
  if (lines.length > 0) return { lines };
  const all = [...versions, next];
  const between = unsoundLines(effectivePolicy(all, next.since));
  if (between.length === 0) return { lines: [] };
  // With the period as it is, the other values may be set now; the period follows when they alone count.
  return {
    lines: between.map((line) => `while values of before still count, ${line}`),
    from: settledAt(all),
  };
}
