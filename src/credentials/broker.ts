// One request for credentials, from a verified workload token: authorise, look up or exchange, record the hand-out, answer.
import { underOneEpoch } from '../audit/decisions.ts';
import type { AssumedSession } from '../clouds/aws.ts';
import { StsError } from '../clouds/aws-errors.ts';
import { Problem } from '../errors.ts';
import type { VerifiedToken } from '../tokens/verify.ts';
import { type Ask, type Authorized, authorize } from './authorize.ts';
import { createExchange, type ExchangeDeps } from './exchange.ts';
import { stsProblem } from './problems.ts';
import { recordDecided } from './record.ts';
import type { Obtained, Sessions } from './sessions.ts';

export interface BrokerDeps extends ExchangeDeps {
  issuerUrl: string;
  sessions: Pick<Sessions, 'obtain' | 'clear'>;
}

export interface Handout {
  exchange: string;
  session: AssumedSession;
  accountId: string;
  roleArn: string;
  /** Whose STS was asked: what a client calls by default. */
  region: string;
}

export type ObtainCredentials = (token: VerifiedToken, ask: Ask) => Promise<Handout>;

/**
 * @throws Problem: the decision's own (not_found, grant_ambiguous, …), the limits', `sts_refused`, `sts_misconfigured`,
 * `sts_answer_refused`, `sts_unavailable`, `sts_throttled`, `rate_limited`, or `unavailable` where a record could not be
 * made durable.
 */
export function createBroker(deps: BrokerDeps): ObtainCredentials {
  const { issuerUrl, stream, sessions, count } = deps;
  const exchange = createExchange(deps);

  async function decideNow(token: VerifiedToken, ask: Ask): Promise<Authorized> {
    try {
      return await authorize(deps.decide, token, ask);
    } catch (error) {
      // Nothing may be given while it lasts: then nothing needs to lie in memory.
      if (error instanceof Problem && error.code === 'sealed') sessions.clear();
      throw error;
    }
  }

  async function obtain(token: VerifiedToken, ask: Ask): Promise<{ authorized: Authorized; obtained: Obtained }> {
    return await underOneEpoch(async () => {
      const authorized = await decideNow(token, ask);
      try {
        const obtained = await sessions.obtain(authorized, () => exchange(token, ask, authorized));
        return { authorized, obtained };
      } catch (error) {
        if (!(error instanceof StsError)) throw error;
        throw stsProblem(error, authorized.decision, issuerUrl, authorized.durationSeconds);
      }
    });
  }

  /**
   * Durable when it resolves, and under a decision that stood then: a hand-out of its own, whoever fetched the session.
   * In one commit with the exchange's outcome, where that is on its way; and never given before that.
   */
  async function recordHandout(token: VerifiedToken, ask: Ask, first: Authorized, given: Obtained): Promise<void> {
    const { connection, grant, workload } = first.decision;
    const details = {
      ...{ access_key_id: given.session.accessKeyId, expires_at: given.session.expiration.toISOString() },
      ...{ purpose: grant.purpose, grant: grant.id, grant_version: grant.version },
      ...{ token_jti: token.jti, request_id: ask.requestId },
    };
    const named = {
      ...{ actor: token.subject, workload: workload.id, connection: connection.id },
      exchange: given.exchange,
    };
    await recordDecided(stream, { kind: 'credentials.handed_out', ...named, details }, first, {
      decideAgain: async () => {
        await given.recorded;
        return await decideNow(token, ask);
      },
      lost: async (why) => {
        // What became of the exchange's outcome is counted there.
        await given.recorded;
        count.handout(why);
      },
    });
    await given.recorded;
  }

  return async (token, ask) => {
    const { authorized, obtained } = await obtain(token, ask);
    await recordHandout(token, ask, authorized, obtained);
    count.handout('given');
    const { account_id: accountId, role_arn: roleArn, region } = authorized.decision.aws;
    return { exchange: obtained.exchange, session: obtained.session, accountId, roleArn, region };
  };
}
