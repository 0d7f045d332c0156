// What may be asked of AssumeRoleWithWebIdentity, before any token is looked at.
import { AwsError, validationError } from '../wire/error.ts';
import type { Form } from '../wire/form.ts';
import {
  checkLength,
  checkPattern,
  constraintError,
  listOf,
  optionalInteger,
  optionalText,
  requiredText,
} from '../wire/form.ts';

export interface AssumeRequest {
  roleArn: string;
  accountId: string;
  partition: string;
  /** Path and name, as they stand behind `role/`. */
  rolePath: string;
  sessionName: string;
  token: string;
  durationSeconds: number;
  policy: string | undefined;
  policyArns: readonly string[];
}

const MAX_POLICY_ARNS = 10;
/** Of the inline policy and the ARNs together. */
const MAX_PLAIN = 2048;

/** @throws AwsError ValidationError or PackedPolicyTooLarge */
export function readAssumeRequest(form: Form): AssumeRequest {
  const roleArn = requiredText(form, 'RoleArn');
  checkLength('RoleArn', roleArn, 20, 2048);
  const sessionName = requiredText(form, 'RoleSessionName');
  checkLength('RoleSessionName', sessionName, 2, 64);
  checkPattern('RoleSessionName', sessionName, /^[\w+=,.@-]*$/, '[\\w+=,.@-]*');
  const token = requiredText(form, 'WebIdentityToken');
  // The token itself is not shown in the error: it may still be good elsewhere.
  if (token.length < 4 || token.length > 20000) {
    const bound = token.length < 4 ? 'greater than or equal to 4' : 'less than or equal to 20000';
    throw constraintError('WebIdentityToken', '*****', `Member must have length ${bound}`);
  }
  const durationSeconds = optionalInteger(form, 'DurationSeconds', 900, 43200) ?? 3600;
  const policy = optionalText(form, 'Policy');
  if (policy !== undefined) checkLength('Policy', policy, 1, 2048);
  const policyArns = listOf(form, 'PolicyArns').map((one) => one.get('arn') ?? '');
  if (policyArns.length > MAX_POLICY_ARNS) {
    throw constraintError('PolicyArns', '[...]', `Member must have length less than or equal to ${MAX_POLICY_ARNS}`);
  }
  // Documented; with which error AWS says so is not.
  const plain = (policy ?? '').length + policyArns.join('').length;
  if (plain > MAX_PLAIN) throw new AwsError('PackedPolicyTooLarge', `Session policies of ${plain} characters in all.`);
  const [, partition, accountId, rolePath] = /^arn:(aws[a-z-]*):iam::(\d{12}):role\/(\S+)$/.exec(roleArn) ?? [];
  if (!partition || !accountId || !rolePath) throw validationError(`${roleArn} is invalid`);
  return { roleArn, accountId, partition, rolePath, sessionName, token, durationSeconds, policy, policyArns };
}
