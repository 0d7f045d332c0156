// The session policy of one hand-out: the grant's, and what the caller takes away from it. Nothing a caller sends can add.
import { Problem } from '../errors.ts';
import { parsePolicy, PolicyFault, type Statement, writePolicy } from './policy-document.ts';

/** Of STS, characters: the inline policy and the ARNs of the managed ones together. */
export const MAX_POLICY = 2048;

const ALLOW_ALL: Statement = { Effect: 'Allow', Action: '*', Resource: '*' };

export interface GrantedPolicies {
  session_policy: Record<string, unknown> | null;
  policy_arns: readonly string[];
}

export interface SessionPolicies {
  /** Canonical JSON; without it the role, or the managed policies alone, decide. */
  policy?: string;
  policyArns?: string[];
}

/** As STS counts it, characters. @param policy canonical JSON; empty for none */
export function plainSize(policy: string, arns: readonly string[]): number {
  return policy.length + arns.join('').length;
}

const tooManyCharacters = (whose: string, length: number): string =>
  `${whose} session policy in canonical form and policy_arns have ${length} characters together; AWS takes ${MAX_POLICY}`;

function tooLarge(length: number, hint: string): Problem {
  return new Problem('session_policy_too_large', `${tooManyCharacters('The', length)}.`, {
    hint,
    extra: { length, limit: MAX_POLICY },
  });
}

/**
 * Checks a grant's own session policies, inline and managed.
 * @throws Problem `invalid_session_policy` or `session_policy_too_large`
 */
export function checkPolicies({ session_policy, policy_arns }: GrantedPolicies): void {
  try {
    const length = plainSize(session_policy === null ? '' : writePolicy(parsePolicy(session_policy)), policy_arns);
    if (length > MAX_POLICY)
      throw tooLarge(
        length,
        'Use wildcards, or move statements into managed policies (policy_arns), few with short names.',
      );
  } catch (error) {
    if (!(error instanceof PolicyFault)) throw error;
    throw new Problem('invalid_session_policy', `The session policy ${error.message}.`, {
      hint: 'Send an IAM policy document without principals, e.g. {"Version":"2012-10-17","Statement":[…]}.',
    });
  }
}

/**
 * The grant's own inline policy, as it was written: perhaps by a version that took what STS does not.
 * @throws Problem `sts_misconfigured`
 */
function readGranted({
  session_policy,
  policy_arns,
}: GrantedPolicies): { statements: Statement[]; policy: string } | undefined {
  const refuse = (what: string): Problem =>
    new Problem('sts_misconfigured', `${what}: AWS would refuse it.`, {
      hint: 'Whoever keeps the grants gives it others: countersign grant update --session-policy or --policy-arn.',
    });
  let own: { statements: Statement[]; policy: string } | undefined;
  try {
    const statements = session_policy === null ? undefined : parsePolicy(session_policy);
    own = statements && { statements, policy: writePolicy(statements) };
  } catch (error) {
    if (!(error instanceof PolicyFault)) throw error;
    throw refuse(`The grant's session policy ${error.message}`);
  }
  const length = plainSize(own?.policy ?? '', policy_arns);
  if (length > MAX_POLICY) throw refuse(tooManyCharacters("The grant's", length));
  return own;
}

/** A caller's policy as statements that only deny. @throws Problem `session_policy_not_deny` */
function parseDenials(document: unknown): Statement[] {
  const refuse = (detail: string): Problem =>
    new Problem('session_policy_not_deny', detail, {
      hint: 'Send {"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":…,"Resource":…}]}; what is allowed comes from the grant.',
    });
  let statements: Statement[];
  try {
    statements = parsePolicy(document);
    writePolicy(statements);
  } catch (error) {
    if (!(error instanceof PolicyFault)) throw error;
    throw refuse(`The session policy ${error.message}.`);
  }
  if (statements.some(({ Effect }) => Effect !== 'Deny')) {
    throw refuse('A caller may only narrow a session: every statement must be Effect "Deny".');
  }
  // A Sid must be unique in a document, and may not clash with the grant's: nothing reads the caller's.
  return statements.map(({ Sid: _, ...statement }) => statement as Statement);
}

/**
 * The one inline policy and the managed ones for STS. Session policies beside each other are united, an explicit deny
 * in any of them wins, and the result is intersected with the role:
 * - beside the grant's inline policy, the denials join it in one document;
 * - a grant without any session policy leaves the role as it is, so the denials need an Allow of everything with them;
 * - beside managed policies alone, that Allow would widen the session to the whole role: the denials go without it, and
 *   what is allowed stays with the managed policies.
 * @param denials a caller's policy document; undefined for none.
 * @throws Problem `session_policy_not_deny`, `session_policy_too_large`, or `sts_misconfigured` for the grant's own
 */
export function composeSessionPolicies(granted: GrantedPolicies, denials: unknown): SessionPolicies {
  const own = readGranted(granted);
  const managed = granted.policy_arns.length > 0 ? { policyArns: [...granted.policy_arns] } : {};
  if (denials === undefined) return own ? { policy: own.policy, ...managed } : managed;
  const base = own?.statements ?? (granted.policy_arns.length > 0 ? [] : [ALLOW_ALL]);
  const policy = writePolicy([...base, ...parseDenials(denials)]);
  const length = plainSize(policy, granted.policy_arns);
  if (length > MAX_POLICY) throw tooLarge(length, "Send fewer statements: they share the space with the grant's.");
  return { policy, ...managed };
}
