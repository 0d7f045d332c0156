// What STS answered, held against what was asked and what is pinned: nothing is handed out of an answer that does not fit.
import type { AssumedSession } from '../clouds/aws.ts';
import type { Decision } from '../grants/decide.ts';

/** Why a connection is degraded: its `state_reason`, as verification has it. */
export type AnswerFault = 'AccountMismatch' | 'RoleMismatch' | 'role_recreated' | 'ExpiryMismatch' | 'AnswerTooLarge';

export interface Expected {
  aws: Decision['aws'];
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
