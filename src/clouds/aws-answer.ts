// What STS answered, held against what was asked and what is pinned: an answer that does not fit is no proof, and nothing is
// handed out of it.
import type { AssumedSession } from './aws.ts';

/** Why a connection is degraded: its `state_reason`, from an exchange or a verification. */
export type AnswerFault = 'AccountMismatch' | 'RoleMismatch' | 'role_recreated' | 'ExpiryMismatch' | 'AnswerTooLarge';

/** `AWS STS answered ${what}`, and what to do. */
export const ANSWER_FAULTS: Record<AnswerFault, { what: string; hint: string }> = {
  AccountMismatch: {
    what: 'with credentials of another account',
    hint: 'Show it to the operators: the service, or what stands between it and AWS, was answered by somebody else.',
  },
  RoleMismatch: {
    what: 'with credentials of another role or session',
    hint: 'Show it to the operators: the service, or what stands between it and AWS, was answered by somebody else.',
  },
  role_recreated: {
    what: 'for a role that was deleted and created again since it was verified',
    hint: "Ask the account's owner. If it was meant, an operator accepts it: countersign connection resume.",
  },
  ExpiryMismatch: {
    what: 'with an expiry that is not what was asked for',
    hint: "Check the service's clock; if it is right, show it to the operators.",
  },
  AnswerTooLarge: {
    what: 'with credentials that are too large to use',
    hint: 'Show it to the operators: SDKs send the session token as a header, and servers refuse such headers.',
  },
};

export interface Expected {
  /** `role_id` is AWS's unique id of the role; null where any is right. */
  aws: { partition: string; account_id: string; role_name: string; role_id: string | null };
  sessionName: string;
  /** Asked for. */
  durationSeconds: number;
}

/** AWS promises no maximum; its tokens are about 1000 characters, and SDKs send them as a header with every request. */
const LONGEST_TOKEN = 16_384;
const LONGEST_KEY = 256;
/** Between AWS's clock and ours, and for the way. */
const LEEWAY_MS = 300_000;

/** @param now wall time, milliseconds */
export function findAnswerFault(
  answer: AssumedSession,
  { aws, sessionName, durationSeconds }: Expected,
  now: number,
): AnswerFault | undefined {
  const prefix = `arn:${aws.partition}:sts::`;
  if (!answer.assumedRoleArn.startsWith(`${prefix}${aws.account_id}:`)) return 'AccountMismatch';
  if (answer.assumedRoleArn !== `${prefix}${aws.account_id}:assumed-role/${aws.role_name}/${sessionName}`)
    return 'RoleMismatch';
  const [roleId = '', name, ...more] = answer.assumedRoleId.split(':');
  if (name !== sessionName || more.length > 0 || roleId === '') return 'RoleMismatch';
  // Not pinned yet: somebody accepted a role that was created again, and verification has not seen it.
  if (aws.role_id !== null && roleId !== aws.role_id) return 'role_recreated';
  const lives = answer.expiration.getTime() - now;
  // Written so that a time that is none is refused, too.
  if (!(lives > 0 && Math.abs(lives - durationSeconds * 1000) <= LEEWAY_MS)) return 'ExpiryMismatch';
  const { accessKeyId, secretAccessKey, sessionToken } = answer;
  if (sessionToken.length > LONGEST_TOKEN || accessKeyId.length > LONGEST_KEY || secretAccessKey.length > LONGEST_KEY)
    return 'AnswerTooLarge';
  return undefined;
}
