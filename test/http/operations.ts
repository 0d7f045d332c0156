// Every operation of the service, from its own description, and a request of each that would succeed.
import { generateKeyPairSync } from 'node:crypto';
import { Agent, request } from 'node:http';
import type { Test } from 'tap';
import { buildDocument } from '../../scripts/openapi.ts';
import type { Operation as Described } from '../../scripts/openapi-shape.ts';
import { writeKek } from '../support/process.ts';
import { startTestService, type TestService } from '../support/service.ts';

export interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  $ref?: string;
  [keyword: string]: unknown;
}

export interface Operation {
  id: string;
  method: string;
  /** With `{name}` for each parameter. */
  path: string;
  /** One that nothing is served by at this path. */
  unserved: string;
  /** Whether a bearer token is needed. */
  bearer: boolean;
  query: Record<string, Schema>;
  /** Of a JSON body; undefined where there is none. */
  body: Schema | undefined;
}

/** Resolves references, at every depth. */
function resolve(value: unknown, components: Record<string, Record<string, unknown>>): unknown {
  if (Array.isArray(value)) return value.map((item) => resolve(item, components));
  if (typeof value !== 'object' || value === null) return value;
  const { $ref } = value as Schema;
  if (typeof $ref === 'string') {
    const [, , kind = '', name = ''] = $ref.split('/');
    return resolve(components[kind]?.[name], components);
  }
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, resolve(part, components)]));
}

export async function listOperations(): Promise<Operation[]> {
  const document = await buildDocument();
  const all = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, described]) => ({ path, method, described })),
  );
  const served = (at: string, by: string): boolean =>
    all.some(({ path, method }) => path === at && method.toUpperCase() === by);
  return all.map(({ path, method, described }) => {
    const {
      operationId,
      security,
      parameters = [],
      requestBody,
    } = resolve(described, document.components) as Described;
    const query = (parameters as { in: string; name: string; schema: Schema }[]).filter(
      (parameter) => parameter.in === 'query',
    );
    const { content = {} } = (requestBody ?? {}) as { content?: Record<string, { schema: Schema }> };
    return {
      unserved: ['PUT', 'DELETE', 'PATCH'].find((other) => !served(path, other)) as string,
      ...{ id: operationId, method: method.toUpperCase(), path, bearer: (security as unknown[]).length > 0 },
      query: Object.fromEntries(query.map(({ name, schema }) => [name, schema])),
      body: content['application/json']?.schema,
    };
  });
}

export interface Sent {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** Parsed where the content type is JSON's; undefined otherwise. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers whose shape is what they test
  json: any;
}

const agent = new Agent({ keepAlive: true, maxSockets: 4 });

/** As it is: no header added but Host, no path normalised. */
export async function send(url: string, { method, path, headers = {}, body }: Sent): Promise<Reply> {
  const { hostname, port } = new URL(url);
  return await new Promise((settle, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const outgoing = request(
      { hostname, port, agent, method, path, headers: { ...length, ...headers } },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const json =
            /json/.test(incoming.headers['content-type'] ?? '') && text !== '' ? JSON.parse(text) : undefined;
          settle({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, json });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export interface World {
  service: TestService;
  /** Names of path parameters and the values that are there. */
  params: Record<string, string>;
  /** Bodies that would succeed, by operation. */
  bodies: Record<string, Record<string, unknown>>;
  workload: { id: string; kids: string[] };
  administrator: { id: string; kids: string[]; identity: string };
}

export function publicJwk(): Record<string, unknown> {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }) as Record<
    string,
    unknown
  >;
}

/** A service that reaches no STS, with one of everything that paths name. */
export async function openWorld(t: Test): Promise<World> {
  // Nobody listens on the discard port: a request that reached STS would be a 503.
  const service = await startTestService(t, {
    env: {
      ...{ STS_ENDPOINT_URL: 'http://127.0.0.1:9', TEMPLATE_URL: 'https://bucket.s3.amazonaws.com/countersign.yaml' },
      ...{ KEY_ENCRYPTION_KEY_FILE: writeKek(t), KEY_ENCRYPTION_KEYS: writeKek(t) },
      // Longer than any test: a rotation that comes due by itself changes what is looked at.
      KEY_POLICY_PERIOD_SECONDS: '86400',
    },
  });
  const make = async (path: string, body?: object) => {
    const answer = await service.call('POST', path, body);
    if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const aws = { account_id: '111122223333', permission_set: 'read-only' };
  const { keks } = (await service.call('GET', '/v1/kek')).body as { keks: { id: string; wraps: boolean }[] };
  const workload = await make('/v1/workloads', { slug: 'billing', keys: [publicJwk(), publicJwk()] });
  const administrator = await make('/v1/administrators', { slug: 'alice', keys: [publicJwk(), publicJwk()] });
  const connection = await make('/v1/connections', { name: 'Acme', reference: 'acme', aws });
  const grant = await make('/v1/grants', { workload: workload.id, selector: { connection: connection.id } });
  const { body: drill } = await service.call('POST', '/v1/key-drills');
  // Ended before it rotates anything, so that it changes nothing while others look.
  await make(`/v1/keys/${connection.issuer.id}/hold`, { duration_seconds: 3600 });
  const rotation = await make('/v1/rotations', { selection: { issuers: [connection.issuer.id] } });
  await make(`/v1/rotations/${rotation.id}/cancel`);
  await make(`/v1/keys/${connection.issuer.id}/resume`, {});
  const target = await make('/v1/publishing/targets', { target: 's3://documents' });
  await service.call('POST', `/v1/publishing/targets/${target.id}/lease`, { holder: 'test' });
  const jwks = await service.call('GET', `/c/${connection.issuer.id}/jwks`);
  const pasted = { keys: [{ ...publicJwk(), kid: 'k1' }] };
  const trusted = await make('/v1/trusted-issuers', {
    ...{ name: 'cluster', kind: 'kubernetes', issuer: 'https://cluster.example', jwks: pasted },
  });
  const subject = 'system:serviceaccount:payments:billing';
  const identity = await make(`/v1/workloads/${workload.id}/identities`, { trusted_issuer: trusted.id, subject });
  const login = { client_id: 'countersign', scopes: ['email'] };
  const company = { name: 'people', kind: 'oidc', issuer: 'https://people.example', login };
  const person = { trusted_issuer: (await make('/v1/trusted-issuers', company)).id, subject: '00u1alice' };
  const signIn = await make(`/v1/administrators/${administrator.id}/identities`, person);
  const kidsOf = (client: { keys: { kid: string }[] }): string[] => client.keys.map(({ kid }) => kid);
  return {
    service,
    params: {
      issuer: connection.issuer.id,
      drill: drill.issuer,
      connection: connection.id,
      grant: grant.id,
      workload: workload.id,
      administrator: administrator.id,
      rotation: rotation.id,
      target: target.id,
      trusted_issuer: trusted.id,
      identity: identity.id,
    },
    workload: { id: workload.id, kids: kidsOf(workload) },
    administrator: { id: administrator.id, kids: kidsOf(administrator), identity: signIn.id },
    bodies: {
      createWorkload: {
        slug: 'shipping',
        description: 'Ships',
        scopes: [],
        audiences: ['https://ships.example'],
        keys: [publicJwk()],
      },
      updateWorkload: { description: 'Bills', scopes: [], audiences: [], state: 'active', max_outlive_seconds: 60 },
      createTrustedIssuer: {
        ...{ name: 'company', kind: 'oidc', issuer: 'https://login.example', audience: 'https://brokers.example' },
        ...{ algorithms: ['ES256'], jwks: pasted, one_time: true, max_token_seconds: 600 },
      },
      updateTrustedIssuer: {
        ...{ audience: null, algorithms: ['ES256'], jwks: pasted, one_time: false, max_token_seconds: 600 },
        state: 'active',
      },
      addWorkloadIdentity: {
        ...{ trusted_issuer: trusted.id, subject: 'system:serviceaccount:payments:ledger', report_only: true },
        claims: { '/kubernetes.io/serviceaccount/uid': 'f1a1' },
      },
      updateWorkloadIdentity: { report_only: true },
      addAdministratorIdentity: { ...person, subject: '00u2alice', claims: { hd: 'acme.example' }, report_only: true },
      updateAdministratorIdentity: { report_only: true },
      addWorkloadKey: { jwk: publicJwk(), expires_at: '2099-01-01T00:00:00Z' },
      createAdministrator: { slug: 'bob', description: 'Bob', scopes: [], keys: [publicJwk()] },
      updateAdministrator: { description: 'Alice', scopes: [], state: 'active' },
      addAdministratorKey: { jwk: publicJwk(), expires_at: '2099-01-01T00:00:00Z' },
      createConnection: {
        ...{
          name: 'Beta',
          reference: 'beta',
          tenant: 'beta',
          labels: { env: 'prod' },
          algorithm: 'ES256',
          max_session_seconds: 3600,
        },
        ...{
          source_identity: false,
          session_tags: false,
          aws: {
            ...aws,
            partition: 'aws',
            region: 'us-east-1',
            role_name: 'countersign',
            permission_set: 'core',
            additions: ['s3'],
          },
        },
      },
      updateConnection: {
        name: 'Acme 2',
        reference: 'acme',
        tenant: 'acme',
        labels: { env: 'dev' },
        max_session_seconds: 1800,
        source_identity: true,
        session_tags: true,
      },
      createGrant: {
        ...{
          workload: workload.id,
          selector: { tenant: 'gamma' },
          purpose: 'backup',
          max_session_seconds: 900,
          tags: { team: 'x' },
        },
        ...{
          session_policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] },
          policy_arns: ['arn:aws:iam::aws:policy/ReadOnlyAccess'],
        },
      },
      updateGrant: { max_session_seconds: 1200, tags: {}, policy_arns: [], session_policy: null },
      rotateKeys: { now: true, algorithm: 'ES256' },
      holdKeys: { duration_seconds: 60, algorithm: 'ES256' },
      setKeyPolicy: {
        ...{ replaces: 1, verifier_cache_seconds: 5, oldest_served_seconds: 30, oldest_signed_seconds: 30 },
        ...{ clock_error_seconds: 1, period_seconds: 3600 },
      },
      resumeKeys: { algorithm: 'ES256' },
      createRotation: {
        selection: { issuers: [connection.issuer.id], purpose: 'web_identity_token' },
        rate_per_minute: 1,
      },
      chooseSigner: { signer: 'local', algorithm: 'ES256' },
      rotateKek: { to: keks.find(({ wraps }) => !wraps)?.id },
      revokeKey: { kid: 'A'.repeat(43), accept_outage: true },
      turnPublishingOn: { target: '/srv/documents' },
      leasePublishing: { holder: 'test', epoch: 1, release: false },
      recordPlacements: {
        epoch: 1,
        documents: [
          {
            ...{ issuer: connection.issuer.id, document: 'jwks', version: 'v'.repeat(27), tag: '"etag"', anew: false },
            kids: kidsOf(jwks.body),
          },
        ],
      },
      recordPass: { epoch: 1, since: '1.1', verified: true },
      createCredentials: {
        purpose: 'default',
        duration_seconds: 900,
        session_policy: { Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: 's3:*', Resource: '*' }] },
      },
    },
  };
}

/** The path of an operation with what is there in place of its parameters. */
export function pathOf({ params, workload, administrator }: World, { path }: Operation): string {
  const theirs: Record<string, string | undefined> = path.includes('administrator')
    ? { kid: administrator.kids[0], identity: administrator.identity }
    : { kid: workload.kids[0] };
  return path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => theirs[name] ?? params[name] ?? `no-${name}`);
}

/** A request that the service would carry out, given a token. */
export function goodRequest(world: World, operation: Operation, headers: Record<string, string> = {}): Sent {
  const body = world.bodies[operation.id];
  return {
    ...{ method: operation.method, path: pathOf(world, operation) },
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}
