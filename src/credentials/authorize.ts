// What one request may be given, decided anew for each: connection, grant, duration, policies, and the key of the session that fits.
import { createHash } from 'node:crypto';
import { Problem } from '../errors.ts';
import type { Decision, DecisionQuestion } from '../grants/decide.ts';
import { sessionSeconds } from '../grants/limits.ts';
import { composeSessionPolicies, type SessionPolicies } from '../grants/session-policy.ts';
import type { VerifiedToken } from '../tokens/verify.ts';

export interface Ask {
  /** An id or a reference. */
  connection: string;
  purpose: string;
  /** Seconds. */
  durationSeconds?: number | undefined;
  sessionPolicy?: unknown;
  requestId: string;
  /** The audience names this connection alone; undefined when the token is for every connection granted. */
  onlyConnection?: string | undefined;
}

/** Whose it is, and what proves that: see `DecisionQuestion`. */
export type Shown = Pick<VerifiedToken, 'subject'> & Partial<Pick<VerifiedToken, 'kid' | 'identity'>>;

export interface Authorized {
  decision: Decision;
  durationSeconds: number;
  policies: SessionPolicies;
  /** The caller sent a session policy of its own. */
  narrowed: boolean;
  /** See `sessionKey`. */
  key: string;
}

export type Decide = (question: DecisionQuestion) => Promise<Decision>;

/**
 * Everything that a session hangs on, as one string: whoever is authorised for exactly this may be given the session,
 * and nobody else. Whatever changes one of these leaves the sessions before it behind.
 */
function sessionKey({ decision, durationSeconds, policies }: Omit<Authorized, 'key'>): string {
  const { sealChangedAt, workload, connection, aws, grant } = decision;
  const narrowed = createHash('sha256').update(JSON.stringify([policies.policy, policies.policyArns]));
  return JSON.stringify([
    ...[sealChangedAt, workload.version],
    ...[workload.id, workload.slug, connection.id, connection.generation, aws.role_arn, aws.role_id],
    ...[grant.id, grant.version, grant.purpose, durationSeconds, narrowed.digest('base64url')],
  ]);
}

/**
 * @throws Problem: the decision's own (not_found, grant_ambiguous, …), `invalid_token` for another connection's token,
 * or the limits'.
 */
export async function authorize(decide: Decide, token: Shown, ask: Ask): Promise<Authorized> {
  const { subject: workload, kid, identity } = token;
  const decision = await decide({ workload, connection: ask.connection, purpose: ask.purpose, kid, identity });
  const { connection, grant } = decision;
  if (ask.onlyConnection !== undefined && connection.id !== ask.onlyConnection) {
    const refused = new Problem('invalid_token', 'The token was refused: its audience is another connection.', {
      hint: "Ask for a token with this connection's resource.",
    });
    // Whose it is, is known: it is no stranger's.
    throw Object.assign(refused, { bearer: token.subject });
  }
  const durationSeconds = sessionSeconds(ask.durationSeconds, {
    grant: grant.max_session_seconds,
    connection: connection.max_session_seconds,
  });
  const policies = composeSessionPolicies(grant, ask.sessionPolicy);
  const authorized = { decision, durationSeconds, policies, narrowed: ask.sessionPolicy !== undefined };
  return { ...authorized, key: sessionKey(authorized) };
}
