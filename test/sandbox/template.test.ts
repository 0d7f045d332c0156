// Templates: YAML with short tags and JSON say the same, intrinsics resolve, and mistakes are named.
import t from 'tap';
import type { Scope } from '../../src/sandbox/cloudformation/intrinsics.ts';
import { conditionHolds, pseudoParameters, resolve } from '../../src/sandbox/cloudformation/intrinsics.ts';
import { orderResources } from '../../src/sandbox/cloudformation/order.ts';
import { resolveParameters } from '../../src/sandbox/cloudformation/parameters.ts';
import { parseTemplate } from '../../src/sandbox/cloudformation/template.ts';

const RESOURCE = { R: { Type: 'AWS::IAM::OIDCProvider', Properties: {} } };

function scope(members: object, given: Record<string, string> = {}, region = 'us-east-1'): Scope {
  const template = parseTemplate(JSON.stringify({ Resources: RESOURCE, ...members }));
  const parameters = resolveParameters(
    template,
    Object.entries(given).map(([key, value]) => ({ key, value, usePrevious: false })),
    [],
  );
  const pseudo = pseudoParameters({ accountId: '123456789012', region, name: 'cs', stackId: 'arn:stack' });
  return {
    template,
    parameters,
    pseudo,
    resource: (name) =>
      name === 'R' ? { physicalId: 'physical', attributes: { Arn: 'arn:r', 'Deep.Er': 'deep' } } : undefined,
  };
}

const base = {
  Parameters: { P: { Type: 'String', Default: 'p' }, L: { Type: 'CommaDelimitedList', Default: 'a, b,c' } },
  Mappings: { M: { one: { two: 'found' } } },
  Conditions: { Yes: { 'Fn::Equals': ['a', 'a'] }, No: { 'Fn::Not': [{ Condition: 'Yes' }] } },
};

t.test('intrinsics', async (t) => {
  const within = scope(base);
  const table: [unknown, unknown][] = [
    [{ Ref: 'P' }, 'p'],
    [{ Ref: 'L' }, ['a', 'b', 'c']],
    [{ Ref: 'R' }, 'physical'],
    [{ Ref: 'AWS::AccountId' }, '123456789012'],
    [{ Ref: 'AWS::Partition' }, 'aws'],
    [{ Ref: 'AWS::StackName' }, 'cs'],
    [{ Ref: 'AWS::URLSuffix' }, 'amazonaws.com'],
    [{ 'Fn::Sub': '${P}-${AWS::Region}-${R}-${R.Arn}-${!P}' }, 'p-us-east-1-physical-arn:r-${P}'],
    [{ 'Fn::Sub': ['${X}-${P}', { X: { Ref: 'R' } }] }, 'physical-p'],
    [{ 'Fn::GetAtt': ['R', 'Arn'] }, 'arn:r'],
    [{ 'Fn::GetAtt': 'R.Deep.Er' }, 'deep'],
    [{ 'Fn::If': ['Yes', 1, 2] }, 1],
    [{ 'Fn::If': ['No', 1, 2] }, 2],
    [[1, { 'Fn::If': ['No', 1, { Ref: 'AWS::NoValue' }] }], [1]],
    [{ a: 1, b: { Ref: 'AWS::NoValue' } }, { a: 1 }],
    [{ 'Fn::Join': ['-', [{ Ref: 'P' }, 'x']] }, 'p-x'],
    [{ 'Fn::Join': ['', { Ref: 'L' }] }, 'abc'],
    [{ 'Fn::Split': ['-', 'a-b'] }, ['a', 'b']],
    [{ 'Fn::Select': [1, { Ref: 'L' }] }, 'b'],
    [{ 'Fn::Select': ['0', ['x']] }, 'x'],
    [{ 'Fn::FindInMap': ['M', 'one', 'two'] }, 'found'],
    [{ 'Fn::Base64': 'x' }, 'eA=='],
  ];
  for (const [value, expected] of table) t.same(resolve(value, within), expected, JSON.stringify(value));
  const bad = [
    { Ref: 'Nothing' },
    { 'Fn::Sub': '${Nothing}' },
    { 'Fn::GetAtt': ['R', 'Nothing'] },
    { 'Fn::Select': [9, ['x']] },
    { 'Fn::If': ['Nothing', 1, 2] },
    { 'Fn::Unknown': 'x' },
    { 'Fn::Join': ['-', 'x'] },
    { 'Fn::FindInMap': ['M', 'one', 'three'] },
  ];
  for (const value of bad) t.throws(() => resolve(value, within), { code: 'ValidationError' }, JSON.stringify(value));
});

t.test('partitions and suffixes follow the region', async (t) => {
  for (const [region, partition, suffix] of [
    ['cn-north-1', 'aws-cn', 'amazonaws.com.cn'],
    ['us-gov-west-1', 'aws-us-gov', 'amazonaws.com'],
    ['eusc-de-east-1', 'aws-eusc', 'amazonaws.eu'],
  ]) {
    t.equal(
      resolve({ 'Fn::Sub': '${AWS::Partition} ${AWS::URLSuffix}' }, scope(base, {}, region)),
      `${partition} ${suffix}`,
    );
  }
});

t.test('conditions', async (t) => {
  const yes = { 'Fn::Equals': [{ Ref: 'P' }, 'p'] };
  const no = { 'Fn::Equals': [{ Ref: 'P' }, 'q'] };
  for (const [condition, expected] of [
    [{ 'Fn::And': [yes, yes] }, true],
    [{ 'Fn::And': [yes, no] }, false],
    [{ 'Fn::Or': [no, yes] }, true],
    [{ 'Fn::Or': [no, no] }, false],
    [{ 'Fn::Not': [no] }, true],
  ] as const) {
    t.equal(conditionHolds('C', scope({ ...base, Conditions: { C: condition } })), expected, JSON.stringify(condition));
  }
  t.throws(
    () => conditionHolds('C', scope({ Conditions: { C: { Condition: 'D' }, D: { Condition: 'C' } } })),
    /circular dependency/,
  );
  t.throws(() => conditionHolds('C', scope({ Conditions: { C: 'true' } })), { code: 'ValidationError' });
});

t.test('YAML with short tags says what JSON says', async (t) => {
  const yaml = parseTemplate(`
AWSTemplateFormatVersion: 2010-09-09
Conditions: {C: !And [!Not [!Condition D], !Equals [!Ref P, "1"]], D: !Or [!Equals [a, b], !Equals [a, a]]}
Parameters: {P: {Type: String}}
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      A: !Sub "\${P}"
      B: !Sub
        - "\${X}"
        - X: !GetAtt R.Arn.Deep
      C: !If [C, !Ref P, !Ref "AWS::NoValue"]
      D: !Join ["-", !Split [",", !Select [0, [x]]]]
      Version: 2012-10-17
`);
  const json = parseTemplate(
    JSON.stringify({
      Conditions: {
        C: { 'Fn::And': [{ 'Fn::Not': [{ Condition: 'D' }] }, { 'Fn::Equals': [{ Ref: 'P' }, '1'] }] },
        D: { 'Fn::Or': [{ 'Fn::Equals': ['a', 'b'] }, { 'Fn::Equals': ['a', 'a'] }] },
      },
      Parameters: { P: { Type: 'String' } },
      Resources: {
        R: {
          Type: 'AWS::IAM::Role',
          Properties: {
            A: { 'Fn::Sub': '${P}' },
            B: { 'Fn::Sub': ['${X}', { X: { 'Fn::GetAtt': ['R', 'Arn.Deep'] } }] },
            C: { 'Fn::If': ['C', { Ref: 'P' }, { Ref: 'AWS::NoValue' }] },
            D: { 'Fn::Join': ['-', { 'Fn::Split': [',', { 'Fn::Select': [0, ['x']] }] }] },
            Version: '2012-10-17',
          },
        },
      },
    }),
  );
  t.same({ ...yaml, text: '' }, { ...json, text: '' });
});

t.test('YAML is read as version 1.1, but for dates, binaries, sets and merges', async (t) => {
  const lines: [string, unknown][] = [
    ['yes', true],
    ['off', false],
    ['12:30', 750],
    ['0777', 511],
    ['0o777', '0o777'],
    ['1_000', 1000],
    ["'yes'", 'yes'],
    ['2012-10-17', '2012-10-17'],
    ['2012-10-17T10:00:00Z', '2012-10-17T10:00:00Z'],
    ['{<<: {a: b}}', { '<<': { a: 'b' } }],
  ];
  for (const [yaml, expected] of lines) {
    const { resources } = parseTemplate(`Resources: {R: {Type: T, Properties: {P: ${yaml}}}}`);
    t.same(resources['R']?.properties, { P: expected }, yaml);
  }
  const { resources } = parseTemplate('Resources: {R: {Type: T, Properties: {on: x}}}');
  t.same(resources['R']?.properties, { true: 'x' });
});

t.test('mistakes in a template are named', async (t) => {
  const table: [string, RegExp][] = [
    ['{', /JSON not well-formed/],
    ['a: [', /YAML not well-formed\. \(line \d+, column \d+\)/],
    ['- a', /must be an object/],
    ['Resources: {}', /At least one Resources member/],
    ['Resources: {R: {Type: T}}\nExtra: {}', /Invalid template property or properties \[Extra\]/],
    ['Resources: {R: {Properties: {}}}', /must contain a Type member/],
    ['Resources: {R: {Type: T, Foo: 1}}', /Invalid template resource property 'Foo'/],
    ['Resources: {r-1: {Type: T}}', /non alphanumeric/],
    ['Resources: {R: &a {Type: T}, S: *a}', /aliases are not allowed/],
    ['Resources: {R: {Type: T}, R: {Type: T}}', /not well-formed/],
    ['AWSTemplateFormatVersion: "2020-01-01"\nResources: {R: {Type: T}}', /version not supported/],
    ['Resources: {R: {Type: T}}\nTransform: AWS::Serverless', /does not know the section Transform/],
    ['Resources: {R: {Type: T, DeletionPolicy: Maybe}}', /Unrecognized DeletionPolicy/],
  ];
  for (const [text, message] of table) t.throws(() => parseTemplate(text), { code: 'ValidationError', message }, text);
});

t.test('order follows references and DependsOn; circles and dangling names are refused', async (t) => {
  const resource = (Properties: object, rest: object = {}) => ({ Type: 'AWS::IAM::Role', Properties, ...rest });
  const order = (Resources: object, more: object = {}) =>
    orderResources(scope({ Resources, ...more })).map(([name]) => name);
  t.same(order({ A: resource({ x: { Ref: 'B' } }), B: resource({ x: { 'Fn::Sub': '${C.Arn}' } }), C: resource({}) }), [
    'C',
    'B',
    'A',
  ]);
  t.same(order({ A: resource({}, { DependsOn: ['B'] }), B: resource({ x: { 'Fn::Sub': '${AWS::Region}${!A}' } }) }), [
    'B',
    'A',
  ]);
  const conditions = { Conditions: { No: { 'Fn::Equals': ['a', 'b'] } } };
  t.same(
    order(
      { A: resource({ x: { 'Fn::If': ['No', { Ref: 'B' }, 'x'] } }), B: resource({}, { Condition: 'No' }) },
      conditions,
    ),
    ['A'],
  );
  t.throws(
    () => order({ A: resource({ x: { Ref: 'B' } }), B: resource({ x: { 'Fn::GetAtt': ['A', 'Arn'] } }) }),
    /Circular dependency between resources: \[A, B\]/,
  );
  t.throws(
    () => order({ A: resource({ x: { Ref: 'B' } }), B: resource({}, { Condition: 'No' }) }, conditions),
    /Unresolved resource dependencies \[B\]/,
  );
  t.throws(() => order({ A: resource({ x: { Ref: 'Z' } }) }), /Unresolved resource dependencies \[Z\]/);
});

t.test('types of parameters', async (t) => {
  const one = (declaration: object, value: string) =>
    scope({ Parameters: { X: declaration } }, { X: value }).parameters[0]?.value;
  t.equal(one({ Type: 'Number', MinValue: 1, MaxValue: 5 }, '5'), '5');
  for (const value of ['6', '0', 'x', ''])
    t.throws(() => one({ Type: 'Number', MinValue: 1, MaxValue: 5 }, value), { code: 'ValidationError' }, value);
  t.throws(() => one({ Type: 'String', MinLength: 2 }, 'a'), /at least 2 characters/);
  t.throws(() => one({ Type: 'Sting' }, 'a'), /Unrecognized parameter type/);
  t.throws(() => one({ Type: 'CommaDelimitedList', AllowedValues: ['a'] }, 'a,b'), /AllowedValues/);
});
