// The AWS-managed policies that the sandbox knows, in short: what they allow here, not their full text at AWS.
import type { PolicyDocument } from './document.ts';
import { parsePolicy } from './document.ts';

const SERVICES = [
  'autoscaling',
  'cloudformation',
  'cloudwatch',
  'ec2',
  'eks',
  'elasticache',
  'elasticloadbalancing',
  'iam',
  'kms',
  'lambda',
  'logs',
  'organizations',
  'rds',
  's3',
  'sns',
  'sqs',
  'ssm',
  'sts',
  'tag',
];

const verbs = (...prefixes: string[]): string[] =>
  SERVICES.flatMap((service) => prefixes.map((prefix) => `${service}:${prefix}*`));

const full = (...services: string[]): string[] => services.map((service) => `${service}:*`);

/** What reading metadata must not include: the content of buckets, parameters, queues and logs. */
const CONTENT = [
  's3:GetObject*',
  'ssm:GetParameter*',
  'sqs:ReceiveMessage',
  'logs:GetLogEvents',
  'kms:GetParametersForImport',
];

interface Rule {
  allow: string[];
  deny?: string[];
}

const POLICIES: Record<string, Rule> = {
  AdministratorAccess: { allow: ['*'] },
  AWSDenyAll: { allow: [], deny: ['*'] },
  PowerUserAccess: { allow: full(...SERVICES.filter((service) => service !== 'iam' && service !== 'organizations')) },
  ReadOnlyAccess: { allow: [...verbs('Get', 'List', 'Describe', 'BatchGet'), 'iam:Generate*', 'iam:Simulate*'] },
  SecurityAudit: {
    allow: [
      ...verbs('List', 'Describe'),
      'iam:Get*',
      'iam:GenerateCredentialReport',
      's3:GetBucket*',
      'kms:GetKey*',
      'cloudformation:GetTemplate',
    ],
  },
  'job-function/ViewOnlyAccess': { allow: verbs('List', 'Describe') },
  IAMFullAccess: { allow: full('iam') },
  IAMReadOnlyAccess: { allow: ['iam:Get*', 'iam:List*', 'iam:Generate*', 'iam:Simulate*'] },
  AWSCloudFormationFullAccess: { allow: full('cloudformation') },
  AWSCloudFormationReadOnlyAccess: {
    allow: ['cloudformation:Describe*', 'cloudformation:Get*', 'cloudformation:List*', 'cloudformation:Estimate*'],
  },
  AmazonEC2FullAccess: { allow: full('ec2', 'elasticloadbalancing', 'cloudwatch', 'autoscaling') },
  AmazonVPCFullAccess: { allow: full('ec2') },
  AmazonS3FullAccess: { allow: full('s3') },
  AmazonS3ReadOnlyAccess: { allow: ['s3:Get*', 's3:List*', 's3:Describe*'] },
  AmazonRDSFullAccess: { allow: full('rds') },
  AmazonElastiCacheFullAccess: { allow: full('elasticache') },
  AmazonSNSFullAccess: { allow: full('sns') },
  AmazonSQSFullAccess: { allow: full('sqs') },
  AmazonSSMFullAccess: { allow: full('ssm') },
  AmazonSSMReadOnlyAccess: { allow: ['ssm:Describe*', 'ssm:Get*', 'ssm:List*'] },
};
POLICIES['ViewOnlyAccess'] = POLICIES['job-function/ViewOnlyAccess'] as Rule;

function build(rule: Rule, name: string): PolicyDocument {
  const deny = name === 'SecurityAudit' ? CONTENT : (rule.deny ?? []);
  const statements = [
    ...(rule.allow.length > 0 ? [{ Effect: 'Allow', Action: rule.allow, Resource: '*' }] : []),
    ...(deny.length > 0 ? [{ Effect: 'Deny', Action: deny, Resource: '*' }] : []),
  ];
  return parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), 'identity');
}

const DOCUMENTS = new Map(Object.entries(POLICIES).map(([name, rule]) => [name, build(rule, name)]));

/** @returns undefined when the ARN is not that of an AWS-managed policy known here. */
export function findAwsManagedPolicy(
  arn: string,
): { name: string; path: string; document: PolicyDocument } | undefined {
  const [, path] = /^arn:aws[a-z-]*:iam::aws:policy\/(.+)$/.exec(arn) ?? [];
  const document = path === undefined ? undefined : DOCUMENTS.get(path);
  if (path === undefined || !document) return undefined;
  const cut = path.lastIndexOf('/') + 1;
  return { name: path.slice(cut), path: `/${path.slice(0, cut)}`, document };
}
