// One exchange, from what is authorised to a session: mint, record, ask STS, look at the answer, record.
import type { AuditEntry } from '../audit/chain.ts';
import type { AuditStream } from '../audit/stream.ts';
import type { Clock } from '../clock.ts';
import type { AssumedSession, AwsSts } from '../clouds/aws.ts';
import { type AnswerFault, findAnswerFault } from '../clouds/aws-answer.ts';
import { ofCallersPolicy, StsError, TOO_LARGE } from '../clouds/aws-errors.ts';
import type { Suspicion } from '../connections/verification/suspect.ts';
import { Problem } from '../errors.ts';
import { createId } from '../ids.ts';
import type { Count } from '../metrics/count.ts';
import type { DraftWebIdentityToken } from '../tokens/mint.ts';
import type { VerifiedToken } from '../tokens/verify.ts';
import { type Ask, type Authorized, authorize, type Decide } from './authorize.ts';
import { answerProblem } from './problems.ts';
import { recordDecided } from './record.ts';
import type { Obtained } from './sessions.ts';

export interface ExchangeDeps {
  stream: AuditStream;
  sts: Pick<AwsSts, 'assumeRoleWithWebIdentity'>;
  decide: Decide;
  draftWebIdentityToken: DraftWebIdentityToken;
  /** Awaited before each is minted: no key signs that was revoked before the decision. Never throws. */
  catchUp(epoch: number): Promise<void>;
  /** Degrades the connection; never throws. */
  suspect(suspicion: Suspicion): Promise<void>;
  count: Pick<Count, 'exchange' | 'handout'>;
  clock: Clock;
}

/** Made by the server alone, and stable: nothing that a caller sends reaches it. */
export function roleSessionName(workload: { id: string; slug: string }): string {
  return `${workload.slug}-${workload.id.slice(3, 11)}`;
}

export type Exchange = (token: VerifiedToken, ask: Ask, authorized: Authorized) => Promise<Obtained>;

/**
 * Resolves with what STS answered, its outcome on the way to the log: see `recorded`.
 * @throws EpochChanged where the decision is out of date, and STS was not asked; StsError; Problem `sts_answer_refused`
 * or `unavailable`.
 */
export function createExchange(deps: ExchangeDeps): Exchange {
  const { stream, sts, decide, draftWebIdentityToken, catchUp, suspect, count, clock } = deps;

  async function ask(
    { decision, durationSeconds, policies, narrowed }: Authorized,
    token: string,
    record: (details: Details) => Promise<void>,
    drop: (fault: AnswerFault, seen: { sts_request_id?: string | undefined }) => Promise<never>,
  ): Promise<AssumedSession> {
    const { aws, workload } = decision;
    try {
      const session = await sts.assumeRoleWithWebIdentity({
        ...{ region: aws.region, roleArn: aws.role_arn, roleSessionName: roleSessionName(workload) },
        ...{ token, durationSeconds, ...policies },
      });
      count.exchange('ok');
      return session;
    } catch (thrown) {
      const error = narrowed && thrown instanceof StsError ? ofCallersPolicy(thrown) : thrown;
      const failure = error instanceof StsError ? error : undefined;
      if (failure?.awsCode === TOO_LARGE) {
        count.exchange('ok');
        return await drop(TOO_LARGE, { sts_request_id: failure.requestId });
      }
      count.exchange(failure?.side ?? 'ours');
      const { side = 'ours', awsCode: aws_code, awsMessage: aws_message, requestId: sts_request_id } = failure ?? {};
      await record({ outcome: 'refused', side, aws_code, aws_message, sts_request_id });
      throw error;
    }
  }

  return async (token, asked, authorized) => {
    const { requestId } = asked;
    const { decision, durationSeconds, policies } = authorized;
    const { connection, aws, grant, workload } = decision;
    const exchange = createId('ex');
    const askedAt = clock.monotonic();
    await catchUp(decision.epoch);
    const draft = await draftWebIdentityToken({
      ...{ issuer: connection.issuer, algorithm: connection.algorithm },
      ...{ subject: connection.subject, roleArn: aws.role_arn },
      sourceIdentity: connection.source_identity ? exchange : undefined,
      tags: connection.session_tags ? grant.tags : undefined,
    });
    // Signed while the row is written: its key may have to be read, which waits for the database as the row does.
    const signing = draft.sign();
    signing.catch(() => {});
    const named = { actor: token.subject, workload: workload.id, connection: connection.id, exchange };
    const details = {
      ...{ purpose: grant.purpose, grant: grant.id, grant_version: grant.version, generation: connection.generation },
      ...{ role_arn: aws.role_arn, duration_seconds: durationSeconds },
      ...{ policy: policies.policy, policy_arns: policies.policyArns },
      ...{ kid: draft.kid, jti: draft.jti, token_jti: token.jti, request_id: requestId },
    };
    await stream.append({ entry: { kind: 'exchange.intent', ...named, details }, epoch: decision.epoch });

    const outcome = (more: Details): AuditEntry => ({
      ...{ kind: 'exchange.outcome', ...named, details: { ...more, request_id: requestId } },
    });
    const record = (more: Details): Promise<void> => stream.append({ entry: outcome(more) });
    const dropped = (code: string, seen: Details): Promise<void> => {
      count.handout('dropped');
      return record({ ...seen, outcome: 'dropped', code });
    };
    const drop = async (fault: AnswerFault, seen: Details & { sts_request_id?: string | undefined }, roleId = '') => {
      const { id, generation } = connection;
      // Whether the row can be written or not: what was seen is told.
      await dropped(fault, seen).finally(() =>
        suspect({ connection: id, generation, exchange, reason: fault, roleId }),
      );
      throw answerProblem(fault, decision, seen.sts_request_id ?? '');
    };
    const text = await signing.catch(async (error: unknown) => {
      await record({ outcome: 'refused', side: 'ours', code: codeOf(error) });
      throw error;
    });
    const session = await ask(authorized, text, record, drop);
    const obtained = {
      ...{ outcome: 'obtained', access_key_id: session.accessKeyId, sts_request_id: session.requestId },
      ...{ expires_at: toText(session.expiration), assumed_role_id: session.assumedRoleId.slice(0, 200) },
      packed_policy_size: session.packedPolicySize,
    };
    const now = clock.wall();
    const fault = findAnswerFault(session, { aws, sessionName: roleSessionName(workload), durationSeconds }, now);
    if (fault !== undefined) return await drop(fault, obtained, session.assumedRoleId.split(':')[0]?.slice(0, 128));
    // On its way when this returns, so that the hand-outs that wait for it share its commit.
    const recorded = recordDecided(stream, outcome(obtained), authorized, {
      // For all who wait for it, whatever each showed: every hand-out is decided again for its own token.
      decideAgain: () => authorize(decide, { subject: token.subject }, asked),
      lost: async (why, error) => {
        if (why === 'dropped') await dropped(codeOf(error), obtained);
        else count.handout(why);
      },
    });
    const expiresAt = session.expiration.getTime();
    // By our clock: where AWS's is behind, a session of 900 s that was measured against 900 would never be given twice.
    const seconds = Math.min(durationSeconds, (expiresAt - now) / 1000);
    return { exchange, session, seconds, expiresAt, askedAt, recorded };
  };
}

type Details = { [member: string]: string | number | undefined };

function codeOf(error: unknown): string {
  return error instanceof Problem ? error.code : 'unavailable';
}

/** A time that AWS did not send well has no text. */
function toText(time: Date): string | undefined {
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
