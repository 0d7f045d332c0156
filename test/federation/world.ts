// A service that trusts stand-in issuers, and workloads that have identities of theirs.
import type { Test } from 'tap';
import {
  type Answer,
  postToken,
  registerClient,
  startTestService,
  type TestClient,
  type TestService,
  type TestServiceOptions,
} from '../support/service.ts';

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ID_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:id_token';
export const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

export interface Federation {
  service: TestService;
  /** @throws where it is refused */
  trust(issuer: { name: string; kind: string; issuer: string; [member: string]: unknown }): Promise<string>;
  register(slug: string): Promise<TestClient>;
  /** @throws where it is refused */
  identify(workload: string, identity: Record<string, unknown>): Promise<string>;
  /** RFC 8693. */
  exchange(token: string, more?: Record<string, string>): Promise<Answer>;
  /** The same of a person's ID token, for the API unless said otherwise. */
  signIn(token: string, more?: Record<string, string>): Promise<Answer>;
  /** RFC 7523. */
  assert(token: string, workload: string, more?: Record<string, string>): Promise<Answer>;
}

export async function openFederation(t: Test, options: TestServiceOptions = {}): Promise<Federation> {
  const env = { EGRESS_ALLOW_CIDRS: '127.0.0.1/32', ...options.env };
  const service = await startTestService(t, { ...options, env });
  const resource = `${service.config.issuerUrl}/v1/credentials`;
  const made = async (path: string, body: object): Promise<string> => {
    const answer = await service.call('POST', path, body);
    if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    return answer.body.id as string;
  };
  return {
    service,
    trust: (issuer) => made('/v1/trusted-issuers', issuer),
    register: (slug) => registerClient(service, { slug }),
    identify: (workload, identity) => made(`/v1/workloads/${workload}/identities`, identity),
    exchange: (token, more = {}) =>
      postToken(service.url, {
        ...{ grant_type: EXCHANGE, subject_token: token, subject_token_type: JWT_TYPE, resource, ...more },
      }),
    signIn: (token, more = {}) =>
      postToken(service.url, {
        ...{ grant_type: EXCHANGE, subject_token: token, subject_token_type: ID_TOKEN_TYPE },
        ...{ resource: `${service.config.issuerUrl}/v1`, ...more },
      }),
    assert: (token, workload, more = {}) =>
      postToken(service.url, {
        ...{ grant_type: 'client_credentials', client_id: workload, client_assertion: token, resource, ...more },
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      }),
  };
}
