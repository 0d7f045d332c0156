// What a caller sends can only take away: whatever the grant holds, and whatever the caller writes.
import fc from 'fast-check';
import t from 'tap';
import { checkPolicies, composeSessionPolicies, type SessionPolicies } from '../../src/grants/session-policy.ts';

interface Statement {
  Sid?: string;
  Effect: 'Allow' | 'Deny';
  Action?: string | string[];
  NotAction?: string | string[];
  Resource?: string | string[];
  NotResource?: string | string[];
}
type Document = { Version: string; Statement: Statement | Statement[] };

const checkGrant = (document: unknown, policy_arns: string[] = []) =>
  checkPolicies({ session_policy: document as Record<string, unknown>, policy_arns });
const policy = (...Statement: Statement[]): Document => ({ Version: '2012-10-17', Statement });
const allow = (Action: string | string[], Resource: string | string[] = '*'): Statement => ({
  Effect: 'Allow',
  Action,
  Resource,
});
const deny = (Action: string | string[], Resource: string | string[] = '*'): Statement => ({
  Effect: 'Deny',
  Action,
  Resource,
});

// A world small enough to ask about all of it.
const ACTIONS = ['s3:GetObject', 's3:PutObject', 'ec2:RunInstances', 'iam:PassRole'];
const RESOURCES = ['arn:aws:s3:::one/key', 'arn:aws:s3:::two/key', 'arn:aws:iam::1:role/r'];
const ARN = 'arn:aws:iam::aws:policy/Managed';

const some = (given: string | string[], value: string): boolean =>
  [given].flat().some((pattern) =>
    new RegExp(
      `^${pattern
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
    ).test(value),
  );

function applies(statement: Statement, action: string, resource: string): boolean {
  const { Action, NotAction, Resource, NotResource } = statement;
  const acts = Action === undefined ? !some(NotAction ?? [], action) : some(Action, action);
  const reaches = Resource === undefined ? !some(NotResource ?? [], resource) : some(Resource, resource);
  return acts && reaches;
}

/** Session policies united: any may allow, an explicit deny in any wins; none at all leaves the role as it is. */
function allows(documents: Document[], action: string, resource: string): boolean {
  if (documents.length === 0) return true;
  const effects = documents.flatMap(({ Statement }) =>
    [Statement]
      .flat()
      .filter((one) => applies(one, action, resource))
      .map(({ Effect }) => Effect),
  );
  return effects.includes('Allow') && !effects.includes('Deny');
}

const everything = ACTIONS.flatMap((action) => RESOURCES.map((resource) => [action, resource] as const));

const patternsOf = (values: string[]) =>
  fc.oneof(fc.constantFrom(...values, '*'), fc.uniqueArray(fc.constantFrom(...values), { minLength: 1 }));
const statementOf = (effect: fc.Arbitrary<'Allow' | 'Deny'>): fc.Arbitrary<Statement> =>
  fc
    .tuple(
      effect,
      fc.boolean(),
      patternsOf([...ACTIONS, 's3:*', 'iam:?assRole']),
      fc.boolean(),
      patternsOf([...RESOURCES, 'arn:aws:s3:::*']),
    )
    .map(([Effect, notAction, actions, notResource, resources]) => ({
      Effect,
      ...(notAction ? { NotAction: actions } : { Action: actions }),
      ...(notResource ? { NotResource: resources } : { Resource: resources }),
    }));
const documentOf = (effect: fc.Arbitrary<'Allow' | 'Deny'>): fc.Arbitrary<Document> =>
  fc
    .oneof(statementOf(effect), fc.array(statementOf(effect), { minLength: 1, maxLength: 3 }))
    .map((Statement) => ({ Version: '2012-10-17', Statement }));
const anyEffect = fc.constantFrom('Allow' as const, 'Deny' as const);

t.test('the session allows exactly what the grant allows and the caller does not deny', async (t) => {
  const grants = fc.record({ own: fc.option(documentOf(anyEffect)), managed: fc.option(documentOf(anyEffect)) });
  const asked = fc.option(documentOf(fc.constant('Deny')), { nil: undefined });
  let [narrowed, checked] = [0, 0];
  fc.assert(
    fc.property(grants, asked, ({ own, managed }, denials) => {
      const granted = { session_policy: own as Record<string, unknown> | null, policy_arns: managed ? [ARN] : [] };
      const given = composeSessionPolicies(granted, denials);
      const before = [own, managed].filter((document) => document !== null);
      const after = [
        ...(given.policy === undefined ? [] : [JSON.parse(given.policy) as Document]),
        ...(given.policyArns && managed ? [managed] : []),
      ];
      return everything.every(([action, resource]) => {
        const denied =
          denials !== undefined && [denials.Statement].flat().some((statement) => applies(statement, action, resource));
        const expected = allows(before, action, resource) && !denied;
        checked += 1;
        if (denied && allows(before, action, resource)) narrowed += 1;
        return allows(after, action, resource) === expected;
      });
    }),
    { numRuns: 2000 },
  );
  t.ok(narrowed > checked / 50, 'denials did bite');
});

t.test('the forms for STS', async (t) => {
  const granted = (session_policy: Document | null, policy_arns: string[] = []) => ({
    session_policy: session_policy as Record<string, unknown> | null,
    policy_arns,
  });
  const d = policy(deny('s3:*'));
  const texts: [string, SessionPolicies, SessionPolicies][] = [
    ['nothing at all', composeSessionPolicies(granted(null), undefined), {}],
    ['managed alone', composeSessionPolicies(granted(null, [ARN]), undefined), { policyArns: [ARN] }],
    [
      'canonical JSON',
      composeSessionPolicies(
        granted({ Statement: { Resource: '*', Effect: 'Allow', Action: 'ec2:*' }, Version: '2012-10-17' }, [ARN]),
        undefined,
      ),
      {
        policy: '{"Statement":[{"Action":"ec2:*","Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}',
        policyArns: [ARN],
      },
    ],
    [
      'denials alone need an Allow beside them',
      composeSessionPolicies(granted(null), d),
      {
        policy:
          '{"Statement":[{"Action":"*","Effect":"Allow","Resource":"*"},{"Action":"s3:*","Effect":"Deny","Resource":"*"}],"Version":"2012-10-17"}',
      },
    ],
    [
      'beside managed policies that Allow would widen, and is not there',
      composeSessionPolicies(granted(null, [ARN]), d),
      {
        policy: '{"Statement":[{"Action":"s3:*","Effect":"Deny","Resource":"*"}],"Version":"2012-10-17"}',
        policyArns: [ARN],
      },
    ],
    [
      'a Sid of the caller cannot clash',
      composeSessionPolicies(
        granted(policy({ Sid: 'A', ...allow('s3:*') })),
        policy({ Sid: 'A', ...deny('s3:PutObject') }),
      ),
      {
        policy:
          '{"Statement":[{"Action":"s3:*","Effect":"Allow","Resource":"*","Sid":"A"},{"Action":"s3:PutObject","Effect":"Deny","Resource":"*"}],"Version":"2012-10-17"}',
      },
    ],
  ];
  for (const [name, given, wanted] of texts) t.strictSame(given, wanted, name);
});

const malformed: [string, unknown][] = [
  ['no object', 'policy'],
  ['an array', [policy(deny('*'))]],
  ['null', null],
  ['no version', { Statement: [deny('*')] }],
  ['the old version', { ...policy(deny('*')), Version: '2008-10-17' }],
  ['no statement', { Version: '2012-10-17' }],
  ['an empty list', policy()],
  ['an unknown member', { ...policy(deny('*')), Extra: 1 }],
  ['a statement that is no object', policy('Deny' as unknown as Statement)],
  ['Principal', policy({ ...deny('*'), Principal: '*' } as Statement)],
  ['NotPrincipal', policy({ ...deny('*'), NotPrincipal: { AWS: '*' } } as unknown as Statement)],
  ['effect in another case', policy({ Effect: 'deny' as 'Deny', Action: '*', Resource: '*' })],
  ['effect as a list', policy({ Effect: ['Deny'] as unknown as 'Deny', Action: '*', Resource: '*' })],
  ['a member in another case', policy({ ...deny('*'), effect: 'Allow' } as Statement)],
  ['no effect', policy({ Action: '*', Resource: '*' } as unknown as Statement)],
  ['both actions', policy({ ...deny('*'), NotAction: '*' })],
  ['no action', policy({ Effect: 'Deny', Resource: '*' })],
  ['no resource', policy({ Effect: 'Deny', Action: '*' })],
  ['an action without a service', policy(deny('GetObject'))],
  ['an empty action', policy(deny([]))],
  ['a number as action', policy(deny(7 as unknown as string))],
  ['a resource that is no ARN', policy(deny('*', 'bucket'))],
  ['an unknown operator', policy({ ...deny('*'), Condition: { StringSortOf: { 'aws:a': 'b' } } } as Statement)],
  ...['ForAllValue', 'ForAnyValues'].map((set): [string, unknown] => [
    `${set}, which is no set operator`,
    policy({ ...deny('*'), Condition: { [`${set}:StringEquals`]: { 'aws:a': 'b' } } } as Statement),
  ]),
  ['a condition without a key', policy({ ...deny('*'), Condition: { StringEquals: { a: 'b' } } } as Statement)],
  [
    'a nested condition value',
    policy({ ...deny('*'), Condition: { StringEquals: { 'aws:a': { b: 'c' } } } } as Statement),
  ],
  [
    'an endless number',
    policy({ ...deny('*'), Condition: { NumericEquals: { 'aws:a': Number.POSITIVE_INFINITY } } } as Statement),
  ],
  ['characters beyond Latin-1', policy(deny('*', 'arn:aws:s3:::\u4e16'))],
  ['a control character', policy(deny('*', 'arn:aws:s3:::a\u0000b'))],
  ['a lone surrogate', policy(deny('*', 'arn:aws:s3:::\ud800'))],
  ['a Sid with a space', policy({ Sid: 'a b', ...deny('*') })],
  ['a Sid twice', policy({ Sid: 'a', ...deny('*') }, { Sid: 'a', ...deny('s3:*') })],
];

t.test('what is not a policy is refused, of a grant and of a caller', async (t) => {
  for (const [name, document] of malformed) {
    // A grant without one is a grant.
    if (document !== null)
      t.throws(
        () => checkGrant(document),
        { code: 'invalid_session_policy', options: { hint: /\S/ } },
        `grant: ${name}`,
      );
    t.throws(
      () => composeSessionPolicies({ session_policy: null, policy_arns: [] }, document),
      { code: 'session_policy_not_deny', options: { hint: /\S/ } },
      `caller: ${name}`,
    );
  }
});

t.test('a caller may deny, and nothing else', async (t) => {
  for (const document of [
    policy(allow('s3:*')),
    policy(deny('*'), allow('s3:GetObject')),
    { ...policy(), Statement: allow('*') },
  ]) {
    t.throws(() => composeSessionPolicies({ session_policy: null, policy_arns: [] }, document), {
      code: 'session_policy_not_deny',
    });
  }
  const condition = {
    StringNotEqualsIfExists: { 'aws:RequestedRegion': ['eu-west-1'] },
    'ForAllValues:StringLike': { 'aws:TagKeys': 'a*' },
    'ForAnyValue:StringEquals': { 'aws:TagKeys': ['a'] },
    Bool: { 'aws:SecureTransport': false },
    Null: { 'aws:a': true },
  };
  t.doesNotThrow(() =>
    composeSessionPolicies(
      { session_policy: null, policy_arns: [] },
      policy({ ...deny('*', 'arn:aws:s3:::a\\nb"é'), Condition: condition } as Statement),
    ),
  );
});

t.test('2048 characters, counted in the one document that STS gets', async (t) => {
  const ofLength = (length: number, effect = allow): Document => {
    const rest = JSON.stringify(policy(effect('*', 'arn:aws:s3:::'))).length;
    return policy(effect('*', `arn:aws:s3:::${'x'.repeat(length - rest)}`));
  };
  t.doesNotThrow(() => checkGrant(ofLength(2048)));
  t.throws(() => checkGrant(ofLength(2049)), {
    code: 'session_policy_too_large',
    options: { extra: { length: 2049 } },
  });
  t.doesNotThrow(() => checkGrant(ofLength(2048 - ARN.length), [ARN]));
  t.throws(() => checkGrant(ofLength(2049 - ARN.length), [ARN]), {
    code: 'session_policy_too_large',
    options: { extra: { length: 2049 } },
  });
  const beside = { session_policy: null, policy_arns: [ARN] };
  t.doesNotThrow(() => composeSessionPolicies(beside, ofLength(2048 - ARN.length, deny)));
  t.throws(() => composeSessionPolicies(beside, ofLength(2049 - ARN.length, deny)), {
    code: 'session_policy_too_large',
  });
  const granted = { session_policy: ofLength(1500) as unknown as Record<string, unknown>, policy_arns: [] };
  t.throws(() => composeSessionPolicies(granted, ofLength(700, deny)), { code: 'session_policy_too_large' });
  t.equal(
    composeSessionPolicies(granted, ofLength(500, deny)).policy?.length,
    1500 + 500 - JSON.stringify(policy()).length + 1,
  );
});

t.test('a stored policy that AWS would refuse is told, and is no fault of ours', async (t) => {
  const Condition = { 'ForAllValue:StringEquals': { 'aws:TagKeys': 'a' } };
  const stored = policy({ ...allow('s3:*'), Condition } as Statement) as unknown as Record<string, unknown>;
  const compose = () => composeSessionPolicies({ session_policy: stored, policy_arns: [] }, undefined);
  t.throws(compose, { code: 'sts_misconfigured', message: /ForAllValue/, options: { hint: /grant update/ } });
  const policy_arns = Array.from(
    { length: 10 },
    (_, index) => `arn:aws:iam::111122223333:policy/${'x'.repeat(200)}${index}`,
  );
  for (const denials of [undefined, policy(deny('s3:*'))]) {
    t.throws(() => composeSessionPolicies({ session_policy: null, policy_arns }, denials), {
      ...{ code: 'sts_misconfigured', message: /grant.*2\d{3} characters/, options: { hint: /grant update/ } },
    });
  }
});
