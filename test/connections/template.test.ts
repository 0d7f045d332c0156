// The CloudFormation template in its two forms: what it trusts, what it allows, how strict its parameters are, how large it is.
import t from 'tap';
import { parse } from 'yaml';
import { createId } from '../../src/ids.ts';
import type { PermissionSet } from '../../src/connections/permission-sets.ts';
import {
  buildBakedTemplate,
  buildTemplate,
  type Template,
  type TemplateValues,
  writeTemplate,
} from '../../src/connections/template.ts';

const values = (more: Partial<TemplateValues> = {}): TemplateValues => ({
  ...{
    issuer: createId('is'),
    subject: createId('cn'),
    roleName: 'countersign-abc',
    permissionSet: 'core' as PermissionSet,
    additions: [],
    customPolicy: null,
  },
  ...{ maxSessionSeconds: 3600, sessionTags: false, sourceIdentity: false, ...more },
});

const HOSTS = [
  'https://id.example.com',
  'http://127.0.0.1:8080',
  `https://${'h'.repeat(60)}.${'o'.repeat(60)}.${'s'.repeat(60)}.example`,
];

interface Trust {
  Statement: [
    { Effect: string; Principal: unknown; Action: string[]; Condition: { StringEquals: Record<string, string> } },
  ];
}

const role = (template: Template) => template.Resources['Role']?.Properties as Record<string, any>;

t.test('the trust names one issuer, one audience and one subject', async (t) => {
  for (const host of HOSTS) {
    const name = host.replace(/^https?:\/\//, '');
    const { issuer, subject, ...rest } = values();
    const baked = role(buildBakedTemplate(host, { issuer, subject, ...rest }))['AssumeRolePolicyDocument'] as Trust;
    t.same(baked.Statement, [
      {
        ...{
          Effect: 'Allow',
          Principal: { Federated: { Ref: 'Provider' } },
          Action: ['sts:AssumeRoleWithWebIdentity'],
        },
        Condition: {
          StringEquals: { [`${name}/c/${issuer}:aud`]: 'sts.amazonaws.com', [`${name}/c/${issuer}:sub`]: subject },
        },
      },
    ]);
    const [text, map] = role(buildTemplate(host))['AssumeRolePolicyDocument']['Fn::Sub'] as [string, object];
    t.same(map, {
      Tags: { 'Fn::If': ['WithSessionTags', ',"sts:TagSession"', ''] },
      Identity: { 'Fn::If': ['WithSourceIdentity', ',"sts:SetSourceIdentity"', ''] },
    });
    const filled = text
      .replace('${Tags}${Identity}', '')
      .replaceAll('${IssuerId}', issuer)
      .replaceAll('${ConnectionId}', subject)
      .replaceAll('${Provider}', 'ARN');
    t.notMatch(filled, /\$\{/, 'nothing else is left to fill in');
    t.same(
      JSON.parse(filled),
      { ...baked, Statement: [{ ...baked.Statement[0], Principal: { Federated: 'ARN' } }] },
      'both forms say the same',
    );
    const arn = `arn:aws-us-gov:iam::111122223333:oidc-provider/${name}/c/${issuer}`;
    const longest = filled
      .replace('ARN', arn)
      .replace(
        '"sts:AssumeRoleWithWebIdentity"',
        '"sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"',
      );
    t.ok(longest.length < 2048, `${longest.length} characters`);
  }
});

t.test('tagging and source identity are trusted only where they are switched on', async (t) => {
  const actions = (more: Partial<TemplateValues>) =>
    (role(buildBakedTemplate(HOSTS[0] ?? '', values(more)))['AssumeRolePolicyDocument'] as Trust).Statement[0].Action;
  t.same(actions({ sessionTags: true }), ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession']);
  t.same(actions({ sourceIdentity: true }), ['sts:AssumeRoleWithWebIdentity', 'sts:SetSourceIdentity']);
});

t.test('the provider is pinned to nothing but its URL and audience', async (t) => {
  const { issuer, ...rest } = values();
  const expected = {
    Type: 'AWS::IAM::OIDCProvider',
    Properties: { Url: `https://id.example.com/c/${issuer}`, ClientIdList: ['sts.amazonaws.com'] },
  };
  t.same(buildBakedTemplate('https://id.example.com', { issuer, ...rest }).Resources['Provider'], expected);
  t.same(buildTemplate('https://id.example.com').Resources['Provider']?.Properties['Url'], {
    'Fn::Sub': 'https://id.example.com/c/${IssuerId}',
  });
  t.same(Object.keys(buildTemplate('http://127.0.0.1:1').Resources), ['Provider', 'Role'], 'no Lambda, no callback');
});

t.test('each permission set allows what it says', async (t) => {
  const allowed = (permissionSet: PermissionSet, more: Partial<TemplateValues> = {}) => {
    const { ManagedPolicyArns, Policies } = role(
      buildBakedTemplate('https://id.example.com', values({ permissionSet, ...more })),
    );
    return {
      managed: ManagedPolicyArns,
      inline: Policies?.map(({ PolicyDocument }: any) =>
        PolicyDocument.Statement.map(({ Action }: any) => Action),
      ).flat(2),
    };
  };
  t.same(allowed('administrator'), {
    managed: [{ 'Fn::Sub': 'arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess' }],
    inline: undefined,
  });
  t.same(allowed('read-only'), {
    managed: [{ 'Fn::Sub': 'arn:${AWS::Partition}:iam::aws:policy/ReadOnlyAccess' }],
    inline: undefined,
  });
  t.same(allowed('core'), { managed: undefined, inline: ['ec2:*', 'eks:*', 'iam:*', 'sts:*', 'kms:*', 'ssm:*'] });
  t.same(allowed('core', { additions: ['s3', 'elasticache'] }).inline?.slice(6), ['s3:*', 'elasticache:*']);
  t.same(allowed('read-only', { additions: ['s3'] }).inline, undefined, 'additions belong to core');
  const customPolicy = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
  };
  const custom = role(buildBakedTemplate('https://id.example.com', values({ permissionSet: 'custom', customPolicy })));
  t.same(
    [custom['ManagedPolicyArns'], custom['Policies']],
    [undefined, [{ PolicyName: 'Custom', PolicyDocument: customPolicy }]],
  );
});

t.test('the parameters take their values and nothing that could mean more', async (t) => {
  const { Parameters: parameters = {} } = buildTemplate('https://id.example.com');
  const accepts = (name: string, value: string): boolean => {
    const { AllowedPattern, AllowedValues } = parameters[name] as { AllowedPattern?: string; AllowedValues?: string[] };
    return AllowedValues?.includes(value) ?? new RegExp(`^(?:${AllowedPattern})$`, 's').test(value);
  };
  t.ok(accepts('IssuerId', createId('is')));
  t.ok(accepts('ConnectionId', createId('cn')));
  t.ok(accepts('RoleName', 'countersign-abc'));
  const hostile = [
    '',
    '*',
    'is_*',
    '","x":"y',
    '${AWS::AccountId}',
    `${createId('is')}"`,
    `${createId('is')}\n`,
    createId('wl'),
    'a b',
    'x/y',
    '?',
  ];
  for (const value of hostile)
    for (const name of ['IssuerId', 'ConnectionId', 'PermissionSet', 'S3', 'SessionTags'])
      t.notOk(accepts(name, value), `${name} takes ${JSON.stringify(value)}`);
  for (const value of ['', 'a/b', 'a"b', '${x}', 'a b', 'x'.repeat(65), 'a\n', '*'])
    t.notOk(accepts('RoleName', value), `RoleName takes ${JSON.stringify(value)}`);
  for (const [name, parameter] of Object.entries(parameters)) {
    const { Type, AllowedPattern, AllowedValues, MinValue, MaxValue, NoEcho } = parameter as Record<string, unknown>;
    t.ok(AllowedPattern ?? AllowedValues ?? (Type === 'Number' && MinValue && MaxValue), `${name} is bounded`);
    t.equal(NoEcho, undefined, 'links cannot fill in what is not echoed');
  }
  t.notOk(accepts('PermissionSet', 'custom'), 'a custom policy is in the baked form alone');
});

t.test('both forms are written as YAML and JSON, small enough to be pasted', async (t) => {
  const customPolicy = {
    Version: '2012-10-17',
    Statement: Array.from({ length: 60 }, () => ({
      Effect: 'Allow',
      Action: ['a:B', 'c:D'],
      Resource: `arn:aws:s3:::${'x'.repeat(100)}`,
    })),
  };
  for (const host of HOSTS) {
    for (const template of [
      buildTemplate(host),
      buildBakedTemplate(host, values({ permissionSet: 'custom', customPolicy })),
      buildBakedTemplate(host, values({ additions: ['s3', 'rds', 'elasticache', 'sns', 'sqs'] })),
    ]) {
      const [yaml, json] = [writeTemplate(template, 'yaml'), writeTemplate(template, 'json')];
      t.same(parse(yaml, { version: '1.1' }), JSON.parse(json));
      t.ok(Buffer.byteLength(yaml) < 51_200 && Buffer.byteLength(json) < 51_200);
      t.notMatch(yaml, /[&*][a-z]\d+\b/, 'CloudFormation takes no aliases');
      t.match(yaml, /AWSTemplateFormatVersion: '2010-09-09'/);
    }
  }
});

t.test("the role's own ceiling is at least an hour, as IAM wants it", async (t) => {
  const ceiling = (maxSessionSeconds: number) =>
    role(buildBakedTemplate('https://id.example.com', values({ maxSessionSeconds })))['MaxSessionDuration'];
  t.same([ceiling(900), ceiling(3600), ceiling(43_200)], [3600, 3600, 43_200]);
});
