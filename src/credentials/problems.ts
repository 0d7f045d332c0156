// STS's failures as problems: whose they are decides the code, and what to do is said.
import { ANSWER_FAULTS, type AnswerFault } from '../clouds/aws-answer.ts';
import type { StsError } from '../clouds/aws-errors.ts';
import { buildStsHint } from '../clouds/aws-hints.ts';
import { type Code, Problem } from '../errors.ts';
import type { Decision } from '../grants/decide.ts';
import { connectionIssuerUrl } from '../issuers/documents.ts';

const CODES = {
  ours: 'sts_misconfigured',
  account_owner: 'sts_refused',
  transient: 'sts_unavailable',
  throttled: 'sts_throttled',
} as const satisfies Record<Exclude<StsError['side'], 'caller'>, Code>;

function codeOf({ side, awsCode }: StsError): Code {
  if (side !== 'caller') return CODES[side];
  return awsCode === 'PackedPolicyTooLarge' ? 'session_policy_too_large' : 'invalid_session_policy';
}

export function stsProblem(
  failure: StsError,
  { connection, aws }: Decision,
  issuerUrl: string,
  durationSeconds: number,
): Problem {
  const facts = {
    ...{
      issuerUrl: connectionIssuerUrl(issuerUrl, connection.issuer),
      audience: 'sts.amazonaws.com',
      subject: connection.subject,
    },
    ...{ accountId: aws.account_id, roleArn: aws.role_arn, region: aws.region, durationSeconds },
    ...{ sessionTags: connection.session_tags, sourceIdentity: connection.source_identity },
  };
  const passes = failure.side === 'transient' || failure.side === 'throttled';
  return new Problem(codeOf(failure), `AWS STS answered ${failure.awsCode}: ${failure.awsMessage}`, {
    hint: buildStsHint(facts, failure),
    extra: {
      aws_code: failure.awsCode,
      ...(failure.requestId === undefined ? {} : { sts_request_id: failure.requestId }),
    },
    ...(passes ? { retryAfter: failure.side === 'throttled' ? 5 : 2 } : {}),
  });
}

/** What STS answered was not handed out. */
export function answerProblem(fault: AnswerFault, { connection }: Decision, stsRequestId: string): Problem {
  const { what, hint } = ANSWER_FAULTS[fault];
  return new Problem('sts_answer_refused', `AWS STS answered ${what}; nothing was handed out.`, {
    hint,
    extra: { fault, connection: connection.id, ...(stsRequestId === '' ? {} : { sts_request_id: stsRequestId }) },
  });
}
