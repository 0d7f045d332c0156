// The key policy in words: its times, and each line of the arithmetic with its figures.
import { DESTROY_MARGIN, LEEWAY, LONGEST_LIFE, MAX_KEYS } from '../keys/policy.ts';
import type { Paint } from './text.ts';
import { fields } from './text.ts';

export interface Policy {
  version: number;
  verifier_cache_seconds: number;
  oldest_served_seconds: number;
  oldest_signed_seconds: number;
  clock_error_seconds: number;
  period_seconds: number;
  seasoning_seconds: number;
  retirement_seconds: { workload_token: number; web_identity_token: number };
}

const UNITS = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
] as const;

/** Seconds, and in larger units where there are some: `345602 s (4 d 2 s)`. */
export function long(seconds: number): string {
  let rest = seconds;
  const parts: string[] = [];
  for (const [size, unit] of UNITS) {
    if (rest >= size) parts.push(`${Math.floor(rest / size)} ${unit}`);
    rest %= size;
  }
  if (parts.length === 0) return `${seconds} s`;
  if (rest > 0) parts.push(`${rest} s`);
  return `${seconds} s (${parts.join(' ')})`;
}

/** What is shown of a policy to a person. */
export function arithmetic(paint: Paint, policy: Policy): string {
  const { verifier_cache_seconds: a, oldest_served_seconds: d, oldest_signed_seconds: r } = policy;
  const { clock_error_seconds: e, period_seconds: period, seasoning_seconds: seasoning } = policy;
  const [leeway, margin] = [LEEWAY / 1000, DESTROY_MARGIN / 1000];
  const times = fields(paint, [
    ['version', policy.version],
    ['A', `${long(a)}: from our answer to the last use of that JWKS by a verifier`],
    ['D', `${long(d)}: the oldest view of the rings that is still served`],
    ['R', `${long(r)}: the oldest view that anybody may sign with`],
    ['e', `${long(e)}: clocks, and the way from a row's time to its commit`],
    ['S', `${long(leeway)}: what verifiers allow after a token's end`],
    ['period', `${long(period)}: from one planned rotation to the next`],
  ]);
  const retired = (['workload_token', 'web_identity_token'] as const).map((purpose) => {
    const life = LONGEST_LIFE[purpose] / 1000;
    const whole = policy.retirement_seconds[purpose];
    const keys = 2 + Math.ceil(whole / period);
    const kind = purpose.replaceAll('_', ' ');
    return (
      `  ${kind} (T = ${life}): ${r} + ${life} + ${leeway} + ${e} = ${long(whole)}; ` +
      `by the clock a ring then has 2 + ceil(${whole} / ${period}) = ${keys} keys, of ${MAX_KEYS} allowed\n`
    );
  });
  return (
    `${times}\n` +
    `A key may sign A + D + e after it was published: by then every JWKS in use holds it.\n  ${a} + ${d} + ${e} = ${long(seasoning)}\n` +
    `A key leaves the JWKS R + T + S + e after its successor began to sign; T is the longest life of what it signs.\n${retired.join('')}` +
    `A private half is deleted R + e + 15 min after its successor began to sign.\n  ${r} + ${e} + ${margin} = ${long(r + e + margin)}\n` +
    `After a revocation, forgeries may pass for A + D + e at a verifier that holds an older JWKS.\n  ${a} + ${d} + ${e} = ${long(seasoning)}\n`
  );
}
