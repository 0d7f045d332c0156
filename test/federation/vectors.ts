// Tokens of each kind of platform, with the identity that takes them and what takes it away: to read, and to run.

export interface Vector {
  kind: 'kubernetes' | 'github' | 'gitlab' | 'spiffe' | 'aws' | 'oidc';
  algorithm: 'RS256' | 'ES256' | 'ES384';
  header?: Record<string, unknown>;
  /** Beside iss, aud and times. */
  claims: Record<string, unknown>;
  identity: { subject: string; claims?: Record<string, string | number | boolean>; allow_wildcard?: true };
  /** Codes of the warnings that the identity comes with. */
  warnings: string[];
  /** What makes the same token another's: by name, what is changed of its claims. */
  refused: Record<string, Record<string, unknown>>;
}

const GITHUB = {
  sub: 'repo:acme/billing:ref:refs/heads/main',
  ...{ repository: 'acme/billing', repository_id: '74', repository_owner: 'acme', repository_owner_id: '65' },
  ...{ ref: 'refs/heads/main', ref_type: 'branch', event_name: 'push', run_id: '1', environment: 'production' },
  job_workflow_ref: 'acme/billing/.github/workflows/deploy.yml@refs/heads/main',
};

const KUBERNETES = {
  namespace: 'payments',
  node: { name: 'node-1', uid: 'n-1' },
  pod: { name: 'billing-0', uid: 'p-1' },
  serviceaccount: { name: 'billing', uid: 'sa-1' },
};

const AWS = 'https://sts.amazonaws.com/';

export const VECTORS: Record<string, Vector> = {
  'a pod, by its service account': {
    ...{ kind: 'kubernetes', algorithm: 'RS256', header: { typ: undefined } },
    claims: { sub: 'system:serviceaccount:payments:billing', 'kubernetes.io': KUBERNETES },
    identity: {
      subject: 'system:serviceaccount:payments:billing',
      claims: { '/kubernetes.io/serviceaccount/uid': 'sa-1', '/kubernetes.io/namespace': 'payments' },
    },
    warnings: [],
    refused: {
      'made anew under its name': {
        'kubernetes.io': { ...KUBERNETES, serviceaccount: { name: 'billing', uid: 'sa-2' } },
      },
      'a list of uids': { 'kubernetes.io': { ...KUBERNETES, serviceaccount: { name: 'billing', uid: ['sa-1'] } } },
      'a list of accounts': { 'kubernetes.io': { ...KUBERNETES, serviceaccount: [{ name: 'billing', uid: 'sa-1' }] } },
      'no claims of the cluster': { 'kubernetes.io': undefined },
      'the claims as text': { 'kubernetes.io': JSON.stringify(KUBERNETES) },
      'another namespace': { sub: 'system:serviceaccount:other:billing' },
    },
  },
  'a pod, by name alone': {
    ...{ kind: 'kubernetes', algorithm: 'ES256' },
    claims: { sub: 'system:serviceaccount:payments:billing', 'kubernetes.io': KUBERNETES },
    identity: { subject: 'system:serviceaccount:payments:billing' },
    warnings: ['name_recyclable'],
    refused: { 'a longer name': { sub: 'system:serviceaccount:payments:billing2' } },
  },
  'a GitHub workflow of one branch': {
    ...{ kind: 'github', algorithm: 'RS256', claims: GITHUB },
    identity: {
      subject: 'repo:acme/billing:ref:refs/heads/main',
      claims: { repository_id: '74', repository_owner_id: '65' },
    },
    warnings: [],
    refused: {
      'a pull request': { sub: 'repo:acme/billing:pull_request' },
      'another branch': { sub: 'repo:acme/billing:ref:refs/heads/evil' },
      'the name, registered by others': { repository_id: '75', repository_owner_id: '66' },
      'an id as a number': { repository_id: 74 },
      'a list of ids': { repository_id: ['74'] },
      'an empty list': { repository_id: [] },
      'no id': { repository_id: undefined },
      'null for an id': { repository_id: null },
    },
  },
  'a GitHub repository, every run of it': {
    ...{ kind: 'github', algorithm: 'RS256', claims: GITHUB },
    identity: { subject: 'repo:acme/billing:*', claims: { repository_id: '74' }, allow_wildcard: true },
    warnings: ['name_recyclable', 'subject_wildcard'],
    refused: {
      'a name that begins alike': { sub: 'repo:acme/billing-evil:ref:refs/heads/main' },
      'nothing where the wildcard is': { sub: 'repo:acme/billing:' },
      'it in the middle': { sub: 'x:repo:acme/billing:ref' },
      'the wildcard itself, of others': { sub: 'repo:acme/billing:*', repository_id: '75' },
    },
  },
  'a GitLab job of a protected branch': {
    ...{ kind: 'gitlab', algorithm: 'RS256' },
    claims: {
      sub: 'project_path:acme/billing:ref_type:branch:ref:main',
      ...{ project_id: '22', namespace_id: '72', ref: 'main', ref_protected: 'true', pipeline_source: 'push' },
    },
    identity: {
      subject: 'project_path:acme/billing:ref_type:branch:ref:main',
      claims: { project_id: '22', namespace_id: '72', ref_protected: 'true' },
    },
    warnings: [],
    refused: {
      'a branch that is not protected': { ref_protected: 'false' },
      'true, and not as text': { ref_protected: true },
      'another project of that path': { project_id: '23' },
    },
  },
  'a SPIFFE workload': {
    ...{ kind: 'spiffe', algorithm: 'ES256', header: { typ: 'JOSE' } },
    claims: { sub: 'spiffe://acme.example/ns/payments/sa/billing', iat: undefined, nbf: undefined },
    identity: { subject: 'spiffe://acme.example/ns/payments/sa/billing' },
    warnings: [],
    refused: {
      'another trust domain': { sub: 'spiffe://acme.example.evil/ns/payments/sa/billing' },
      'a path below': { sub: 'spiffe://acme.example/ns/payments/sa/billing/x' },
      'a day long': { exp: Math.floor(Date.now() / 1000) + 86_000 },
    },
  },
  'an AWS role': {
    ...{ kind: 'aws', algorithm: 'ES384' },
    claims: {
      sub: 'arn:aws:iam::111122223333:role/billing',
      [AWS]: { aws_account: '111122223333', org_id: 'o-1', ec2_instance_source_vpc: 'vpc-1' },
    },
    identity: {
      subject: 'arn:aws:iam::111122223333:role/billing',
      claims: { '/https:~1~1sts.amazonaws.com~1/ec2_instance_source_vpc': 'vpc-1' },
    },
    warnings: ['name_recyclable'],
    refused: {
      'from another network': { [AWS]: { aws_account: '111122223333', ec2_instance_source_vpc: 'vpc-2' } },
      'from outside any': { [AWS]: { aws_account: '111122223333' } },
      "another account's": { sub: 'arn:aws:iam::444455556666:role/billing' },
    },
  },
  'a service of a company’s OIDC issuer': {
    ...{ kind: 'oidc', algorithm: 'ES256', header: { typ: 'at+jwt' } },
    claims: { sub: 'billing', jti: 'one', level: 3, verified: true },
    identity: { subject: 'billing', claims: { level: 3, verified: true } },
    warnings: [],
    refused: {
      'a number as text': { jti: 'a', level: '3' },
      'a truth as text': { jti: 'b', verified: 'true' },
      'a member of Object.prototype': { jti: 'c', verified: undefined },
      'without a jti': { jti: undefined },
    },
  },
  'a person, by address': {
    ...{ kind: 'oidc', algorithm: 'RS256' },
    claims: { sub: 'u-1', jti: 'one', email: 'ana@acme.example' },
    identity: { subject: 'u-1', claims: { email: 'ana@acme.example' } },
    warnings: ['name_recyclable'],
    refused: { 'a list of addresses': { jti: 'a', email: ['ana@acme.example'] } },
  },
};
