// What a connection's role may do in the customer's account: four sets, and additions to `core` per dependency.

export const PERMISSION_SETS = ['administrator', 'core', 'read-only', 'custom'] as const;
export type PermissionSet = (typeof PERMISSION_SETS)[number];

export const ADDITIONS = ['s3', 'rds', 'elasticache', 'sns', 'sqs'] as const;
export type Addition = (typeof ADDITIONS)[number];

export interface PolicyDocument {
  Version: '2012-10-17';
  Statement: Record<string, unknown>[];
}

/** The sets that are one of AWS's own managed policies, by its name. */
export const MANAGED_POLICIES = {
  administrator: 'AdministratorAccess',
  'read-only': 'ReadOnlyAccess',
} as const satisfies Partial<Record<PermissionSet, string>>;

/** IAM service prefixes of `core`; VPC is EC2's. */
const CORE_SERVICES = ['ec2', 'eks', 'iam', 'sts', 'kms', 'ssm'];

function allowServices(sid: string, services: readonly string[]): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [{ Sid: sid, Effect: 'Allow', Action: services.map((service) => `${service}:*`), Resource: '*' }],
  };
}

export function corePolicy(): PolicyDocument {
  return allowServices('Core', CORE_SERVICES);
}

export function additionPolicy(addition: Addition): PolicyDocument {
  return allowServices(ADDITION_NAMES[addition], [addition]);
}

/** How an addition is called in a template: its parameter, its condition and its policy. */
export const ADDITION_NAMES = {
  s3: 'S3',
  rds: 'RDS',
  elasticache: 'ElastiCache',
  sns: 'SNS',
  sqs: 'SQS',
} as const satisfies Record<Addition, string>;
