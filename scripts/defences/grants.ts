// Authorization: which grant applies, what it limits, and what a caller without one can learn.
import { type Defence, provenBy } from './defence.ts';

const DECIDE = 'test/grants/decide.test.ts';
const LIMITS = 'test/grants/limits.test.ts';
const POLICY = 'test/grants/session-policy.test.ts';
const decide = 'src/grants/decide.ts';
const choose = 'src/grants/choose.ts';
const selector = 'src/grants/selector.ts';
const limits = 'src/grants/limits.ts';
const policy = 'src/grants/session-policy.ts';

export const grants: Defence[] = [
  ...provenBy(DECIDE, 'a grant is for its workload alone', [
    {
      name: 'grants.workload',
      promise: "every query for a caller is bound to that caller's grants",
      file: decide,
      find: 'where workload = w.id and purpose',
      replace: 'where purpose',
    },
    {
      name: 'grants.workload-of-tokens',
      promise: 'the same at the token endpoint',
      file: 'src/grants/visible.ts',
      find: 'where workload = ${workload} and ${HAS_SELECTOR}',
      replace: 'where ${HAS_SELECTOR}',
    },
  ]),
  ...provenBy('test/grants/visible.test.ts', 'each granted connection once, in order, page by page', [
    {
      name: 'grants.workload-of-lists',
      promise: 'the same in lists',
      file: 'src/grants/visible.ts',
      find: 'grants where workload = ${workload} and selector_kind = ${kind}',
      replace: 'grants where selector_kind = ${kind}',
    },
  ]),
  ...provenBy(DECIDE, 'a grant is for its purpose alone', [
    {
      name: 'grants.purpose',
      promise: 'a grant is for its purpose alone',
      file: decide,
      find: 'and purpose = ${purpose} and',
      replace: 'and',
    },
  ]),
  ...provenBy(DECIDE, 'a selector matches its own tenant, label and connection, and nothing that looks like them', [
    {
      name: 'grants.selector',
      promise: "a selector of one tenant never matches another's",
      file: selector,
      find: 'selector_kind = s.kind and selector_value = s.value',
      replace: 'selector_kind = s.kind',
    },
    {
      name: 'grants.tenant',
      promise: 'a tenant is compared to the letter',
      file: selector,
      find: "union all select 'tenant', c.tenant",
      replace: "union all select 'tenant', lower(c.tenant)",
    },
    {
      name: 'grants.label',
      promise: 'a label is compared as key and value',
      file: decide,
      find: '${HAS_SELECTOR}',
      replace: 'selector_kind = s.kind and selector_value = s.value',
    },
    {
      name: 'grants.label-of-tokens',
      promise: 'the same at the token endpoint',
      file: 'src/grants/visible.ts',
      find: '${HAS_SELECTOR}',
      replace: 'selector_kind = s.kind and selector_value = s.value',
    },
  ]),
  ...provenBy(DECIDE, 'connection before label before tenant before all; no falling through to a wider one', [
    {
      name: 'grants.precedence',
      promise: 'the narrowest grant decides, and never falls through to a wider one',
      file: selector,
      find: "= ['connection', 'label', 'tenant', 'all']",
      replace: "= ['all', 'tenant', 'label', 'connection']",
    },
  ]),
  ...provenBy(DECIDE, 'two labels that match: neither serves, both are named; a grant of the connection settles it', [
    {
      name: 'grants.ambiguity',
      promise: 'where two label grants match, neither serves',
      file: choose,
      find: 'if (others.length === 0) return chosen;',
      replace: 'if (others) return chosen;',
    },
  ]),
  ...provenBy('test/grants/ambiguity.test.ts', 'a label grant that meets another on one connection', [
    {
      name: 'grants.ambiguous-grant',
      promise: 'a grant that would be ambiguous is refused',
      file: 'src/grants/ambiguity.ts',
      find: 'if (!clash) return;',
      occurrence: 0,
      replace: 'if (!clash || clash) return;',
    },
  ]),
  ...provenBy('test/grants/ambiguity.test.ts', 'labels that would bring a connection under two grants', [
    {
      name: 'grants.ambiguous-labels',
      promise: 'a label that would be ambiguous is refused',
      file: 'src/grants/ambiguity.ts',
      find: 'if (!clash) return;',
      occurrence: 1,
      replace: 'if (!clash || clash) return;',
    },
  ]),
  ...provenBy(DECIDE, 'not granted and not there look the same', [
    {
      name: 'grants.hidden',
      promise: 'a connection that was not granted answers as one that does not exist',
      file: decide,
      find: 'if (!grant || !first.connection || !first.aws) throw notGranted(question);',
      replace:
        "if (first.connection && !grant) throw new Problem('insufficient_scope', 'x');\n  if (!grant || !first.connection || !first.aws) throw notGranted(question);",
    },
    {
      name: 'grants.hidden-state',
      promise: 'nor does its state show',
      file: decide,
      find: 'if (!grant || !first.connection || !first.aws) throw notGranted(question);',
      replace:
        'if (first.connection) refuseState(first.connection);\n  if (!grant || !first.connection || !first.aws) throw notGranted(question);',
    },
  ]),
  ...provenBy(DECIDE, 'active and degraded are brokered, nothing else, and the answer says why', [
    {
      name: 'grants.state',
      promise: 'paused, unsafe and unproven connections are never brokered',
      file: decide,
      find: 'refuseState(first.connection);',
      replace: 'void refuseState;',
    },
  ]),
  ...provenBy(DECIDE, 'a suspended workload gets nothing, before anything else is said', [
    {
      name: 'grants.suspended',
      promise: 'a suspended workload gets no credentials',
      file: decide,
      find: "if (first.workload.state !== 'active')",
      replace: 'if (false)',
    },
  ]),
  ...provenBy(LIMITS, 'asked beyond a ceiling: a 403 that names the ceiling', [
    {
      name: 'grants.duration',
      promise: 'limits are refused',
      file: limits,
      find: 'if (asked > limit)',
      replace: 'if (false)',
    },
    {
      name: 'grants.duration-clamped',
      promise: 'limits are refused, not clamped',
      file: limits,
      find: 'if (asked > limit) {',
      replace: 'if (asked > limit) {\n    if (limit > 0) return limit;',
    },
    {
      name: 'grants.duration-of-grant',
      promise: "the grant's ceiling holds beside the connection's",
      file: limits,
      find: 'Math.min(ceilings.grant, ceilings.connection)',
      replace: 'ceilings.connection',
    },
    {
      name: 'grants.duration-of-connection',
      promise: "the connection's ceiling holds beside the grant's",
      file: limits,
      find: 'Math.min(ceilings.grant, ceilings.connection)',
      replace: 'ceilings.grant',
    },
  ]),
  ...provenBy(LIMITS, 'outside what AWS takes: a 400', [
    {
      name: 'grants.duration-range',
      promise: 'outside 900 to 43 200 seconds is a 400',
      file: limits,
      find: '!Number.isInteger(asked) || asked < minimum || asked > maximum',
      replace: 'false',
    },
  ]),
  ...provenBy(LIMITS, 'unasked, the lesser of an hour and the ceilings', [
    {
      name: 'grants.duration-unasked',
      promise: 'unasked, the ceilings hold too',
      file: limits,
      find: 'Math.min(SESSION_SECONDS.unasked, limit)',
      replace: 'SESSION_SECONDS.unasked',
    },
  ]),
  ...provenBy(POLICY, 'a caller may deny, and nothing else', [
    {
      name: 'grants.deny-only',
      promise: 'a caller may add Deny statements only',
      file: policy,
      find: "statements.some(({ Effect }) => Effect !== 'Deny')",
      replace: 'false',
    },
  ]),
  ...provenBy(POLICY, 'the session allows exactly what the grant allows and the caller does not deny', [
    {
      name: 'grants.deny-beside-managed',
      promise: 'nothing a caller sends can add rights',
      file: policy,
      find: 'granted.policy_arns.length > 0 ? [] : [ALLOW_ALL]',
      replace: '[ALLOW_ALL]',
    },
    {
      name: 'grants.session-policy',
      promise: "the grant's session policy is in every session",
      file: policy,
      find: 'const base = own?.statements ??',
      replace: 'const base = own && [] ? [] :',
    },
  ]),
  ...provenBy(POLICY, '2048 characters, counted in the one document that STS gets', [
    {
      name: 'grants.policy-size',
      promise: 'what STS would refuse is refused here',
      file: policy,
      find: 'if (length > MAX_POLICY) throw tooLarge(',
      replace: 'if (length < 0) throw tooLarge(',
      occurrence: 1,
    },
    {
      name: 'grants.policy-size-of-arns',
      promise: 'the ARNs of managed policies count',
      file: policy,
      find: "return policy.length + arns.join('').length;",
      replace: 'return policy.length + 0 * arns.length;',
    },
  ]),
  {
    name: 'grants.policy-size-whole',
    promise: 'a change of one part is held against the other',
    file: 'src/grants/routes.ts',
    find: 'requireSound(request.body, changed);',
    replace: 'requireSound(request.body, { session_policy: null, policy_arns: [], ...request.body });',
    test: [
      'test/grants/routes.test.ts',
      'what is beyond 2048 characters with the ARNs is not written, and what was before may stay',
    ],
  },
  ...provenBy(POLICY, 'what is not a policy is refused, of a grant and of a caller', [
    {
      name: 'grants.policy-members',
      promise: 'a session policy has no principals, and nothing unknown',
      file: 'src/grants/policy-document.ts',
      find: 'if (unknown !== undefined)',
      replace: 'if (false)',
    },
    {
      name: 'grants.policy-version',
      promise: 'one version of the policy language',
      file: 'src/grants/policy-document.ts',
      find: "members['Version'] !== VERSION",
      replace: 'false',
    },
  ]),
];
