// The policy evaluator, as a table: operators, wildcards, variables, principals, and what wins.
import t from 'tap';
import { parsePolicy } from '../../src/sandbox/policy/document.ts';
import { evaluate } from '../../src/sandbox/policy/evaluate.ts';
import { createContext } from '../../src/sandbox/policy/match.ts';

const CONTEXT = createContext({
  'a:text': 'Blue',
  'a:number': '10',
  'a:date': '2026-06-01T00:00:00Z',
  'a:bool': 'true',
  'a:many': ['x', 'y'],
  'a:none': [],
  'a:arn': 'arn:aws:iam::123456789012:role/team/app',
  'aws:SourceIp': '10.1.2.3',
  'aws:PrincipalTag/team': 'blue',
  'a:star': '*',
});

function decide(statements: object[], request: { action?: string; resource?: string } = {}, Version = '2012-10-17') {
  const document = parsePolicy(JSON.stringify({ Version, Statement: statements }), 'identity');
  return evaluate([document], {
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::bucket/key',
    context: CONTEXT,
    ...request,
  });
}

const allow = (change: object = {}) => ({ Effect: 'Allow', Action: '*', Resource: '*', ...change });
const deny = (change: object = {}) => ({ Effect: 'Deny', Action: '*', Resource: '*', ...change });
const holds = (Condition: object) => decide([allow({ Condition })]) === 'allow';

t.test('nothing is allowed by silence, and an explicit deny wins wherever it stands', async (t) => {
  t.equal(decide([allow({ Action: 'ec2:*' })]), 'implicit-deny');
  t.equal(decide([allow()]), 'allow');
  t.equal(decide([deny(), allow()]), 'explicit-deny');
  t.equal(decide([allow(), deny()]), 'explicit-deny');
  t.equal(decide([allow(), deny({ Action: 's3:Put*' })]), 'allow');
});

t.test('actions: wildcards, without regard to case; NotAction', async (t) => {
  for (const [action, matched] of [
    ['s3:GetObject', true],
    ['S3:getobject', true],
    ['s3:Get*', true],
    ['s3:G?tObject', true],
    ['s3:*', true],
    ['s3:GetObjec', false],
    ['ec2:*', false],
    ['s3:Get*Acl', false],
  ] as const) {
    t.equal(decide([allow({ Action: ['sqs:*', action] })]) === 'allow', matched, action);
    const { Action: _, ...rest } = allow();
    t.equal(decide([{ ...rest, NotAction: ['sqs:*', action] }]) === 'allow', !matched, `not ${action}`);
  }
});

t.test('resources: wildcards, case matters; NotResource', async (t) => {
  for (const [resource, matched] of [
    ['*', true],
    ['arn:aws:s3:::bucket/*', true],
    ['arn:aws:s3:::bucke?/key', true],
    ['arn:aws:s3:::Bucket/*', false],
    ['arn:aws:s3:::bucket', false],
    ['arn:aws:s3:::*', true],
  ] as const) {
    t.equal(decide([allow({ Resource: resource })]) === 'allow', matched, resource);
    const { Resource: _, ...rest } = allow();
    t.equal(decide([{ ...rest, NotResource: resource }]) === 'allow', !matched, `not ${resource}`);
  }
});

t.test('condition operators', async (t) => {
  const table: [string, string, unknown, boolean][] = [
    ['StringEquals', 'a:text', 'Blue', true],
    ['StringEquals', 'A:TEXT', 'Blue', true],
    ['StringEquals', 'a:text', 'blue', false],
    ['StringEquals', 'a:text', ['Red', 'Blue'], true],
    ['StringEquals', 'a:text', 'B*', false],
    ['StringEquals', 'a:absent', 'x', false],
    ['StringNotEquals', 'a:text', 'Blue', false],
    ['StringNotEquals', 'a:text', ['Red', 'Blue'], false],
    ['StringNotEquals', 'a:text', 'Red', true],
    ['StringNotEquals', 'a:absent', 'x', true],
    ['StringEqualsIgnoreCase', 'a:text', 'bLUE', true],
    ['StringNotEqualsIgnoreCase', 'a:text', 'bLUE', false],
    ['StringLike', 'a:text', 'B*e', true],
    ['StringLike', 'a:text', 'B?e', false],
    ['StringLike', 'a:text', 'b*', false],
    ['StringNotLike', 'a:text', 'B*', false],
    ['StringEqualsIfExists', 'a:absent', 'x', true],
    ['StringEqualsIfExists', 'a:text', 'x', false],
    ['StringLikeIfExists', 'a:absent', 'x', true],
    ['Bool', 'a:bool', 'true', true],
    ['Bool', 'a:bool', true, true],
    ['Bool', 'a:bool', 'false', false],
    ['Bool', 'a:absent', 'false', false],
    ['BoolIfExists', 'a:absent', 'false', true],
    ['BinaryEquals', 'a:text', 'Qmx1ZQ==', true],
    ['BinaryEquals', 'a:text', ['UmVk', 'Qmx1ZQ=='], true],
    ['BinaryEquals', 'a:text', 'Ymx1ZQ==', false],
    ['BinaryEquals', 'a:text', 'Blue', false],
    ['BinaryEquals', 'a:absent', 'Qmx1ZQ==', false],
    ['BinaryEqualsIfExists', 'a:absent', 'Qmx1ZQ==', true],
    ['Null', 'a:absent', 'true', true],
    ['Null', 'a:text', 'true', false],
    ['Null', 'a:text', 'false', true],
    ['Null', 'a:absent', false, false],
    ['Null', 'a:none', 'true', true],
    ['NumericEquals', 'a:number', 10, true],
    ['NumericNotEquals', 'a:number', 10, false],
    ['NumericLessThan', 'a:number', '10', false],
    ['NumericLessThan', 'a:number', '10.5', true],
    ['NumericLessThanEquals', 'a:number', '10', true],
    ['NumericGreaterThan', 'a:number', '9', true],
    ['NumericGreaterThanEquals', 'a:number', '11', false],
    ['NumericEquals', 'a:text', 'Blue', false],
    ['NumericLessThan', 'a:absent', '1', false],
    ['DateLessThan', 'a:date', '2026-06-02T00:00:00Z', true],
    ['DateLessThan', 'a:date', '2026-06-01T00:00:00Z', false],
    ['DateLessThanEquals', 'a:date', '2026-06-01T00:00:00Z', true],
    ['DateGreaterThan', 'a:date', '1700000000', true],
    ['DateEquals', 'a:date', '2026-06-01T02:00:00+02:00', true],
    ['DateNotEquals', 'a:date', '2026-06-01T00:00:00Z', false],
    ['DateGreaterThanEquals', 'a:date', '2026-06-01T00:00:00Z', true],
    ['DateLessThan', 'a:date', 'never', false],
    ['ArnLike', 'a:arn', 'arn:aws:iam::*:role/team/*', true],
    ['ArnEquals', 'a:arn', 'arn:aws:iam::123456789012:role/*', true],
    ['ArnLike', 'a:arn', 'arn:aws:iam:*:role/team/app', false],
    ['ArnNotLike', 'a:arn', 'arn:aws:iam::*:role/*', false],
    ['ArnNotEquals', 'a:arn', 'arn:aws:iam::*:user/*', true],
    ['IpAddress', 'aws:SourceIp', '10.1.0.0/16', true],
    ['IpAddress', 'aws:SourceIp', '10.1.2.3', true],
    ['NotIpAddress', 'aws:SourceIp', ['10.2.0.0/16', '10.1.0.0/16'], false],
    ['ForAnyValue:StringEquals', 'a:many', ['y', 'z'], true],
    ['ForAnyValue:StringEquals', 'a:many', 'z', false],
    ['ForAnyValue:StringEquals', 'a:absent', 'x', false],
    ['ForAllValues:StringEquals', 'a:many', ['x', 'y', 'z'], true],
    ['ForAllValues:StringEquals', 'a:many', 'x', false],
    ['ForAllValues:StringEquals', 'a:absent', 'x', true],
    ['ForAnyValue:StringNotEquals', 'a:many', 'x', true],
    ['ForAllValues:StringNotEquals', 'a:many', 'x', false],
    ['ForAnyValue:StringLike', 'a:many', 'y*', true],
    ['ForAllValues:StringLikeIfExists', 'a:many', ['x', 'y'], true],
  ];
  for (const [operator, key, value, expected] of table) {
    t.equal(holds({ [operator]: { [key]: value } }), expected, `${operator} ${key} ${JSON.stringify(value)}`);
  }
});

t.test('all operators and all keys must hold', async (t) => {
  t.ok(holds({ StringEquals: { 'a:text': 'Blue', 'a:number': '10' }, Bool: { 'a:bool': 'true' } }));
  t.notOk(holds({ StringEquals: { 'a:text': 'Blue', 'a:number': '11' } }));
  t.notOk(holds({ StringEquals: { 'a:text': 'Blue' }, Bool: { 'a:bool': 'false' } }));
});

t.test('an unknown operator is refused by IAM, and denies if it ever gets this far', async (t) => {
  t.throws(() => decide([allow({ Condition: { StringMatches: { 'a:text': 'Blue' } } })]), {
    code: 'MalformedPolicyDocument',
  });
  t.throws(() => decide([allow({ Condition: { NullIfExists: { 'a:text': 'true' } } })]), {
    code: 'MalformedPolicyDocument',
  });
  const statement = (effect: 'Allow' | 'Deny') => ({
    sid: undefined,
    effect,
    principals: undefined,
    actions: ['*'],
    notAction: false,
    resources: ['*'],
    notResource: false,
    conditions: { StringMatches: { 'a:text': ['Blue'] } },
  });
  const of = (...effects: ('Allow' | 'Deny')[]) =>
    evaluate([{ text: '', variables: true, statements: effects.map(statement) }], {
      action: 'a:b',
      resource: '*',
      context: CONTEXT,
    });
  t.equal(of('Allow'), 'implicit-deny');
  t.equal(of('Deny'), 'explicit-deny');
});

t.test('policy variables: literal in what they bring, absent means no match, none in 2008-10-17', async (t) => {
  const equals = (wanted: string, key = 'a:text') => holds({ StringLike: { [key]: wanted } });
  t.ok(holds({ StringEqualsIgnoreCase: { 'a:text': '${aws:PrincipalTag/team}' } }));
  t.notOk(equals('${aws:PrincipalTag/absent}'));
  t.notOk(equals('Blue${aws:PrincipalTag/absent}'), 'nor is it nothing');
  t.ok(equals("${aws:PrincipalTag/absent, 'Blue'}"));
  t.notOk(equals('${a:star}'), 'a star in a tag opens nothing');
  t.ok(equals('${*}', 'a:star'));
  t.equal(
    decide([allow({ Resource: 'arn:aws:s3:::bucket/${aws:PrincipalTag/team}' })], {
      resource: 'arn:aws:s3:::bucket/blue',
    }),
    'allow',
  );
  t.equal(
    decide(
      [allow({ Resource: 'arn:aws:s3:::bucket/${aws:PrincipalTag/team}' })],
      { resource: 'arn:aws:s3:::bucket/blue' },
      '2008-10-17',
    ),
    'implicit-deny',
  );
});

t.test('a hostile pattern does not take long', async (t) => {
  const from = performance.now();
  t.equal(
    decide([allow({ Resource: `arn:aws:s3:::${'*a'.repeat(200)}b` })], {
      resource: `arn:aws:s3:::${'a'.repeat(5000)}`,
    }),
    'implicit-deny',
  );
  t.ok(performance.now() - from < 2000);
});

t.test('trust policies: who is trusted', async (t) => {
  const arn = 'arn:aws:iam::123456789012:oidc-provider/id.example.com';
  const of = (Principal: unknown, federated = arn) => {
    const text = JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Allow', Principal, Action: 'sts:AssumeRoleWithWebIdentity' },
    });
    return evaluate([parsePolicy(text, 'trust')], {
      action: 'sts:AssumeRoleWithWebIdentity',
      federated,
      context: CONTEXT,
    });
  };
  t.equal(of({ Federated: arn }), 'allow');
  t.equal(of({ Federated: [`${arn}/c`, arn] }), 'allow');
  t.equal(of({ Federated: `${arn}/c` }), 'implicit-deny');
  t.equal(of({ AWS: '123456789012' }), 'implicit-deny');
  t.equal(of('*'), 'allow', 'everybody is everybody');
  t.equal(of({ AWS: '*' }), 'allow');
});

t.test('documents that IAM refuses', async (t) => {
  const trust = (change: object) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { AWS: '123456789012' }, Action: 'sts:AssumeRole', ...change }],
    });
  const identity = (change: object) =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*', ...change }],
    });
  t.ok(parsePolicy(trust({}), 'trust') && parsePolicy(identity({}), 'identity'), 'as they stand');
  for (const change of [
    { Resource: '*' },
    { Action: 's3:*' },
    { Principal: undefined },
    { Principal: { AWS: 'nobody' } },
    { Principal: { Federated: '*' } },
    { Principal: { Other: '*' } },
  ]) {
    t.throws(() => parsePolicy(trust(change), 'trust'), { code: 'MalformedPolicyDocument' }, JSON.stringify(change));
  }
  for (const change of [
    { Principal: '*' },
    { Resource: undefined },
    { Action: undefined },
    { Action: 'everything' },
    { Resource: 'bucket' },
    { Effect: 'allow' },
    { Extra: 1 },
    { Condition: [] },
    { Condition: { Bool: { nocolon: 'true' } } },
    { NotAction: 's3:*' },
    { Sid: 'not alphanumeric' },
  ]) {
    t.throws(
      () => parsePolicy(identity(change), 'identity'),
      { code: 'MalformedPolicyDocument' },
      JSON.stringify(change),
    );
  }
  for (const text of [
    '',
    '[]',
    '{}',
    '{"Version":"2026-01-01","Statement":[]}',
    '{"Statement":[]}',
    '{"Statement":{},"Statement":{}}',
    `${identity({})} x`,
  ]) {
    t.throws(() => parsePolicy(text, 'identity'), { code: 'MalformedPolicyDocument' }, text);
  }
});
