// One exchange, from what is authorised to a session: mint, record, ask STS, look at the answer, record.
import { type AuditStream, EpochChanged } from '../audit/stream.ts';
import type { Clock } from '../clock.ts';
import type { AssumedSession, AwsSts } from '../clouds/aws.ts';
import { StsError } from '../clouds/aws-errors.ts';
import { Problem, unavailable } from '../errors.ts';
import { createId } from '../ids.ts';
import type { Count } from '../metrics/count.ts';
import type { MintWebIdentityToken } from '../tokens/mint.ts';
import type { VerifiedToken } from '../tokens/verify.ts';
import { type AnswerFault, findAnswerFault } from './answer.ts';
import type { Ask, Authorized, Decide } from './authorize.ts';
import { answerProblem } from './problems.ts';
import type { Obtained } from './sessions.ts';

/** What STS answered was another role's, or not what it promises. */
export interface Suspicion {
  /** `cn_…` and its generation when it was asked for. */
  connection: string;
  generation: number;
  exchange: string;
  reason: AnswerFault;
  /** AWS's unique id of the role that answered. */
  roleId: string;
}

export interface ExchangeDeps {
  stream: AuditStream;
  sts: Pick<AwsSts, 'assumeRoleWithWebIdentity'>;
  decide: Decide;
  mintWebIdentityToken: MintWebIdentityToken;
  /** Degrades the connection; never throws. */
  suspect(suspicion: Suspicion): Promise<void>;
  count: Pick<Count, 'exchange' | 'handout'>;
  clock: Clock;
}

/** A decision made under an epoch that is over is made again, this often. */
export const DECISIONS = 3;

/** Made by the server alone, and stable: nothing that a caller sends reaches it. */
export function roleSessionName(workload: { id: string; slug: string }): string {
  return `${workload.slug}-${workload.id.slice(3, 11)}`;
}

export function changedTooOften(): Problem {
  return unavailable('What this decision rests on keeps changing.');
}

export type Exchange = (token: VerifiedToken, ask: Ask, authorized: Authorized) => Promise<Obtained>;

/**
 * @throws EpochChanged where the decision is out of date, and STS was not asked; StsError; Problem `sts_answer_refused`,
 * what a decision made meanwhile says, or `unavailable`.
 */
export function createExchange(deps: ExchangeDeps): Exchange {
  const { stream, sts, decide, mintWebIdentityToken, suspect, count, clock } = deps;

  async function ask(
    { decision, durationSeconds, policies }: Authorized,
    token: string,
    record: (details: Details) => Promise<void>,
  ): Promise<AssumedSession> {
    const { aws, workload } = decision;
    try {
      const session = await sts.assumeRoleWithWebIdentity({
        ...{ region: aws.region, roleArn: aws.role_arn, roleSessionName: roleSessionName(workload) },
        ...{ token, durationSeconds, ...policies },
      });
      count.exchange('ok');
      return session;
    } catch (error) {
      const failure = error instanceof StsError ? error : undefined;
      count.exchange(failure?.side ?? 'ours');
      const { side = 'ours', awsCode: aws_code, awsMessage: aws_message, requestId: sts_request_id } = failure ?? {};
      await record({ outcome: 'refused', side, aws_code, aws_message, sts_request_id });
      throw error;
    }
  }

  /** Whether what was decided still stands, and under which epoch. */
  async function decideAgain({ decision }: Authorized): Promise<number> {
    const { workload, connection, aws, grant } = decision;
    const again = await decide({ workload: workload.id, connection: connection.id, purpose: grant.purpose });
    const stands =
      again.grant.id === grant.id &&
      again.grant.version === grant.version &&
      again.connection.generation === connection.generation &&
      again.aws.role_id === aws.role_id;
    if (!stands) throw unavailable('The grant or the connection changed while AWS was asked.');
    return again.epoch;
  }

  return async (token, { requestId }, authorized) => {
    const { decision, durationSeconds, policies } = authorized;
    const { connection, aws, grant, workload } = decision;
    const exchange = createId('ex');
    const askedAt = clock.monotonic();
    const minted = await mintWebIdentityToken({
      ...{ issuer: connection.issuer, algorithm: connection.algorithm },
      ...{ subject: connection.subject, roleArn: aws.role_arn },
      sourceIdentity: connection.source_identity ? exchange : undefined,
      tags: connection.session_tags ? grant.tags : undefined,
    });
    const named = { actor: token.subject, workload: workload.id, connection: connection.id, exchange };
    const details = {
      ...{ purpose: grant.purpose, grant: grant.id, grant_version: grant.version, generation: connection.generation },
      ...{ role_arn: aws.role_arn, duration_seconds: durationSeconds },
      ...{ policy: policies.policy, policy_arns: policies.policyArns },
      ...{ kid: minted.kid, jti: minted.jti, token_jti: token.jti, request_id: requestId },
    };
    await stream.append({ entry: { kind: 'exchange.intent', ...named, details }, epoch: decision.epoch });

    const record = (outcome: Details, epoch?: number): Promise<void> =>
      stream.append({
        entry: { kind: 'exchange.outcome', ...named, details: { ...outcome, request_id: requestId } },
        ...{ epoch },
      });
    const session = await ask(authorized, minted.token, record);
    const obtained = {
      ...{ outcome: 'obtained', access_key_id: session.accessKeyId, sts_request_id: session.requestId },
      ...{ expires_at: toText(session.expiration), assumed_role_id: session.assumedRoleId.slice(0, 200) },
      packed_policy_size: session.packedPolicySize,
    };
    const dropped = (code: string): Promise<void> => {
      count.handout('dropped');
      return record({ ...obtained, outcome: 'dropped', code });
    };

    const fault = findAnswerFault(
      session,
      { aws, sessionName: roleSessionName(workload), durationSeconds },
      clock.wall(),
    );
    if (fault !== undefined) {
      await dropped(fault);
      const roleId = session.assumedRoleId.split(':')[0]?.slice(0, 128) ?? '';
      const { id, generation } = connection;
      await suspect({ connection: id, generation, exchange, reason: fault, roleId });
      throw answerProblem(fault, decision, session.requestId);
    }
    await recordObtained(authorized, obtained, record, dropped);
    return {
      ...{ exchange, session, seconds: durationSeconds },
      ...{ expiresAt: session.expiration.getTime(), askedAt },
    };
  };

  /** Nothing is kept of what was decided otherwise meanwhile, and the outcome says so. */
  async function recordObtained(
    authorized: Authorized,
    obtained: Details,
    record: (details: Details, epoch: number) => Promise<void>,
    dropped: (code: string) => Promise<void>,
  ): Promise<void> {
    let { epoch } = authorized.decision;
    for (let decided = 1; ; decided += 1) {
      try {
        return await record(obtained, epoch);
      } catch (error) {
        if (!(error instanceof EpochChanged)) {
          count.handout('unrecorded');
          throw error;
        }
        try {
          if (decided === DECISIONS) throw changedTooOften();
          epoch = await decideAgain(authorized);
        } catch (refused) {
          await dropped(refused instanceof Problem ? refused.code : 'unavailable');
          throw refused;
        }
      }
    }
  }
}

type Details = { [member: string]: string | number | undefined };

/** A time that AWS did not send well has no text. */
function toText(time: Date): string | undefined {
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
