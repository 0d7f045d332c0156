// What is known of each kind of platform: how its tokens look, what of them is worth matching, and which names come back.
import type { SignatureAlgorithm } from '../keys/algorithms.ts';

export const KINDS = ['kubernetes', 'github', 'gitlab', 'spiffe', 'aws', 'oidc'] as const;
export type KindName = (typeof KINDS)[number];

export interface Kind {
  /** Unless said otherwise. */
  algorithms: SignatureAlgorithm[];
  /** Of the token's header; undefined where it may be missing. */
  typ: readonly (string | undefined)[];
  /** What `use` of its keys may be beside `sig`. */
  use: readonly string[];
  /** Whether its tokens say when they were made. */
  iat: boolean;
  /** From a token's iat to its exp at most, unless said otherwise. */
  maxTokenSeconds: number;
  /**
   * Whether each of its tokens is made for one request. A platform that leaves a token in a file or a variable shows it
   * many times: such a kind can never be one-time.
   */
  oneTime: 'never' | 'possible' | 'default';
  /** Beside the subject: by name, or as a JSON Pointer (RFC 6901) for one within an object. */
  claims: readonly string[];
  /** Claims of which every identity should match each: without them, who registers a name anew is taken for its last owner. */
  lasting: readonly string[];
  /** What comes back; empty where nothing does. */
  recycled: string;
}

const JWT = [undefined, 'JWT'] as const;

export const KIND: Record<KindName, Kind> = {
  kubernetes: {
    ...{ algorithms: ['RS256', 'ES256'], typ: JWT, use: [], iat: true, maxTokenSeconds: 86_400, oneTime: 'never' },
    claims: [
      '/kubernetes.io/serviceaccount/uid',
      '/kubernetes.io/namespace',
      '/kubernetes.io/serviceaccount/name',
      '/kubernetes.io/pod/name',
    ],
    lasting: ['/kubernetes.io/serviceaccount/uid'],
    recycled: 'a service account, or its namespace, can be deleted and made anew by others under the same name',
  },
  github: {
    ...{ algorithms: ['RS256'], typ: JWT, use: [], iat: true, maxTokenSeconds: 3600, oneTime: 'possible' },
    claims: [
      ...['repository_id', 'repository_owner_id', 'environment', 'ref', 'job_workflow_ref', 'workflow_ref'],
      'event_name',
    ],
    lasting: ['repository_id', 'repository_owner_id'],
    recycled: 'a repository or an organization can be deleted or renamed, and its name registered by others',
  },
  gitlab: {
    ...{ algorithms: ['RS256'], typ: JWT, use: [], iat: true, maxTokenSeconds: 86_400, oneTime: 'never' },
    claims: ['project_id', 'namespace_id', 'ref', 'ref_type', 'ref_protected', 'environment', 'pipeline_source'],
    lasting: ['project_id', 'namespace_id'],
    recycled: 'a project or a group can be deleted or renamed, and its path registered by others',
  },
  spiffe: {
    ...{
      algorithms: ['RS256', 'ES256', 'ES384'],
      typ: [...JWT, 'JOSE'],
      use: ['jwt-svid'],
      iat: false,
      maxTokenSeconds: 3600,
      oneTime: 'never',
    },
    ...{ claims: [], lasting: [], recycled: '' },
  },
  aws: {
    ...{ algorithms: ['RS256', 'ES384'], typ: JWT, use: [], iat: true, maxTokenSeconds: 3600, oneTime: 'possible' },
    claims: [
      '/https:~1~1sts.amazonaws.com~1/lambda_source_function_arn',
      '/https:~1~1sts.amazonaws.com~1/ec2_source_instance_arn',
      '/https:~1~1sts.amazonaws.com~1/ec2_instance_source_vpc',
      '/https:~1~1sts.amazonaws.com~1/org_id',
    ],
    // AWS tells no unique id of the role.
    lasting: [],
    recycled: 'a role can be deleted and made anew under the same ARN, by whoever may make roles in that account',
  },
  oidc: {
    ...{ algorithms: ['RS256', 'ES256'], typ: [...JWT, 'at+jwt'], use: [], iat: true, maxTokenSeconds: 3600 },
    ...{ oneTime: 'default', claims: [], lasting: [], recycled: '' },
  },
};
