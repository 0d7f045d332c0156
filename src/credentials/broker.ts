// One exchange, from a verified workload token to session credentials: decide, mint, record, ask STS, record, answer.
import type { AuditStream } from '../audit/stream.ts';
import { EpochChanged } from '../audit/stream.ts';
import type { AssumedSession, AwsSts } from '../clouds/aws.ts';
import { StsError } from '../clouds/aws-errors.ts';
import { Problem, unavailable } from '../errors.ts';
import type { Decision, DecisionQuestion } from '../grants/decide.ts';
import { sessionSeconds } from '../grants/limits.ts';
import { composeSessionPolicies } from '../grants/session-policy.ts';
import { createId } from '../ids.ts';
import type { Count } from '../metrics/count.ts';
import type { Minted, MintWebIdentityToken } from '../tokens/mint.ts';
import { stsProblem } from './problems.ts';
import type { VerifiedToken } from '../tokens/verify.ts';

export interface BrokerDeps {
  issuerUrl: string;
  stream: AuditStream;
  sts: AwsSts;
  decide(question: DecisionQuestion): Promise<Decision>;
  mintWebIdentityToken: MintWebIdentityToken;
  count: Pick<Count, 'exchange' | 'handout'>;
}

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

export interface Handout {
  exchange: string;
  session: AssumedSession;
  accountId: string;
  roleArn: string;
}

/** A decision made under an epoch that is over is made again, this often. */
const DECISIONS = 3;

interface Intent {
  exchange: string;
  decision: Decision;
  minted: Minted;
  durationSeconds: number;
  policies: { policy?: string; policyArns?: string[] };
}

/** Made by the server alone, and stable: nothing that a caller sends reaches it. */
export function roleSessionName(workload: { id: string; slug: string }): string {
  return `${workload.slug}-${workload.id.slice(3, 11)}`;
}

function changedTooOften(): Problem {
  return unavailable('What this decision rests on keeps changing.');
}

/** What was decided did not stand when STS had answered; that is on record. */
class Dropped extends Error {
  readonly refused: unknown;

  constructor(refused: unknown) {
    super();
    this.refused = refused;
  }
}

export type ObtainCredentials = (token: VerifiedToken, ask: Ask) => Promise<Handout>;

/**
 * @throws Problem: the decision's own (not_found, grant_ambiguous, …), the limits', `sts_refused`, `sts_misconfigured`,
 * `sts_unavailable`, `sts_throttled`, or `unavailable` where a record could not be made durable.
 */
export function createBroker(deps: BrokerDeps): ObtainCredentials {
  const { issuerUrl, stream, sts, decide, mintWebIdentityToken, count } = deps;

  async function prepare(token: VerifiedToken, ask: Ask): Promise<Intent> {
    const decision = await decide({ workload: token.subject, connection: ask.connection, purpose: ask.purpose });
    const { connection, aws, grant } = decision;
    if (ask.onlyConnection !== undefined && connection.id !== ask.onlyConnection) {
      throw new Problem('invalid_token', 'The token was refused: its audience is another connection.', {
        hint: "Ask for a token with this connection's resource.",
      });
    }
    const durationSeconds = sessionSeconds(ask.durationSeconds, {
      grant: grant.max_session_seconds,
      connection: connection.max_session_seconds,
    });
    const policies = composeSessionPolicies(grant, ask.sessionPolicy);
    const exchange = createId('ex');
    const minted = await mintWebIdentityToken({
      ...{
        issuer: connection.issuer,
        algorithm: connection.algorithm,
        subject: connection.subject,
        roleArn: aws.role_arn,
      },
      sourceIdentity: connection.source_identity ? exchange : undefined,
      tags: connection.session_tags ? grant.tags : undefined,
    });
    return { exchange, decision, minted, durationSeconds, policies };
  }

  function named({ exchange, decision }: Intent, token: VerifiedToken) {
    return { actor: token.subject, workload: token.subject, connection: decision.connection.id, exchange };
  }

  async function recordIntent(token: VerifiedToken, ask: Ask): Promise<Intent> {
    for (let decided = 0; decided < DECISIONS; decided += 1) {
      const intent = await prepare(token, ask);
      const { decision, minted, durationSeconds, policies } = intent;
      const { grant, aws } = decision;
      const details = {
        ...{
          purpose: grant.purpose,
          grant: grant.id,
          grant_version: grant.version,
          generation: decision.connection.generation,
        },
        ...{
          role_arn: aws.role_arn,
          duration_seconds: durationSeconds,
          policy: policies.policy,
          policy_arns: policies.policyArns,
        },
        ...{ kid: minted.kid, jti: minted.jti, token_jti: token.jti, request_id: ask.requestId },
      };
      try {
        await stream.append({
          entry: { kind: 'exchange.intent', ...named(intent, token), details },
          epoch: decision.epoch,
        });
        return intent;
      } catch (error) {
        if (!(error instanceof EpochChanged)) throw error;
      }
    }
    throw changedTooOften();
  }

  /** Whether what was decided still stands: the same grant, unchanged, of a connection that is as it was. */
  async function decideAgain(intent: Intent, token: VerifiedToken): Promise<number> {
    const { connection, grant } = intent.decision;
    const again = await decide({ workload: token.subject, connection: connection.id, purpose: grant.purpose });
    const stands =
      again.grant.id === grant.id &&
      again.grant.version === grant.version &&
      again.connection.generation === connection.generation;
    if (!stands) throw unavailable('The grant or the connection changed while AWS was asked.');
    return again.epoch;
  }

  async function recordOutcome(intent: Intent, token: VerifiedToken, ask: Ask, session: AssumedSession): Promise<void> {
    const details = {
      ...{
        outcome: 'handed_out',
        access_key_id: session.accessKeyId,
        sts_request_id: session.requestId,
        request_id: ask.requestId,
      },
      ...{
        expires_at: session.expiration.toISOString(),
        assumed_role_id: session.assumedRoleId,
        packed_policy_size: session.packedPolicySize,
      },
    };
    let epoch = intent.decision.epoch;
    for (let decided = 1; ; decided += 1) {
      try {
        return await stream.append({ entry: { kind: 'exchange.outcome', ...named(intent, token), details }, epoch });
      } catch (error) {
        if (!(error instanceof EpochChanged)) throw error;
        try {
          if (decided === DECISIONS) throw changedTooOften();
          epoch = await decideAgain(intent, token);
        } catch (refused) {
          const code = refused instanceof Problem ? refused.code : 'unavailable';
          await stream.append({
            entry: {
              kind: 'exchange.outcome',
              ...named(intent, token),
              details: { ...details, outcome: 'dropped', code },
            },
          });
          throw new Dropped(refused);
        }
      }
    }
  }

  return async (token, ask) => {
    const intent = await recordIntent(token, ask);
    const { decision, minted, durationSeconds, policies } = intent;
    const { aws, workload } = decision;
    let session: AssumedSession;
    try {
      session = await sts.assumeRoleWithWebIdentity({
        ...{ region: aws.region, roleArn: aws.role_arn, roleSessionName: roleSessionName(workload) },
        ...{ token: minted.token, durationSeconds, ...policies },
      });
    } catch (error) {
      const failure = error instanceof StsError ? error : undefined;
      count.exchange(failure?.side ?? 'ours');
      const details = {
        ...{
          outcome: 'refused',
          side: failure?.side ?? 'ours',
          aws_code: failure?.awsCode,
          aws_message: failure?.awsMessage,
        },
        ...{ sts_request_id: failure?.requestId, request_id: ask.requestId },
      };
      await stream.append({ entry: { kind: 'exchange.outcome', ...named(intent, token), details } });
      throw failure ? stsProblem(failure, decision, issuerUrl, durationSeconds) : error;
    }
    count.exchange('ok');
    try {
      await recordOutcome(intent, token, ask, session);
    } catch (error) {
      count.handout(error instanceof Dropped ? 'dropped' : 'unrecorded');
      throw error instanceof Dropped ? error.refused : error;
    }
    count.handout('given');
    return { exchange: intent.exchange, session, accountId: aws.account_id, roleArn: aws.role_arn };
  };
}
