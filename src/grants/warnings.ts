// What a grant allows and AWS or its SDKs make little of: said when it is written, refused by nobody.
import { deflateRawSync } from 'node:zlib';
import canonicalize from 'canonicalize';
import { type CeilingWarning, warnOfCeiling } from '../connections/ceiling.ts';
import type { Grant } from './store.ts';
import { MAX_POLICY, plainSize } from './session-policy.ts';

export type Warning = CeilingWarning | { code: 'policies_may_not_fit' | 'packed_size_near_limit'; detail: string };

/** AWS does not say how it packs. Compressed, a kilobyte of policies and tags is a cautious guess. */
const PACKED_BYTES = 1024;
const NEAR = 0.9;

type Limits = Pick<Grant, 'max_session_seconds' | 'session_policy' | 'policy_arns' | 'tags'>;

export function warningsOf({ max_session_seconds, session_policy, policy_arns, tags }: Limits): Warning[] {
  const warnings: Warning[] = [...warnOfCeiling(max_session_seconds)];
  const policy = session_policy === null ? '' : (canonicalize(session_policy) ?? '');
  const plain = plainSize(policy, policy_arns);
  if (plain > MAX_POLICY) {
    warnings.push({
      code: 'policies_may_not_fit',
      detail: `The session policy and policy_arns have ${plain} characters together; AWS takes ${MAX_POLICY}, so nothing is handed out. Move statements into managed policies.`,
    });
  }
  const packed = [policy, ...policy_arns, ...Object.entries(tags).map(([key, value]) => `${key}=${value}`)].join('\n');
  const share = deflateRawSync(packed, { level: 9 }).length / PACKED_BYTES;
  if (share > NEAR) {
    warnings.push({
      code: 'packed_size_near_limit',
      detail: `Policies and tags may take ${Math.round(share * 100)} % of the room that AWS packs them into (an estimate; packed_policy_size of exchange.outcome is AWS's own figure). Shorten them, and leave callers room to narrow.`,
    });
  }
  return warnings;
}

/** The grant as it is answered: with its warnings where there are some. */
export function withWarnings<G extends Limits>(grant: G): G & { warnings?: Warning[] } {
  const warnings = warningsOf(grant);
  return warnings.length > 0 ? { ...grant, warnings } : grant;
}
