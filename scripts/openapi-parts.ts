// What the routes' schemas do not say: the names of shapes, the token endpoint's form, the documents, servers, tags.
import * as administrators from '../src/administrators/schema.ts';
import * as clients from '../src/clients/schema.ts';
import { CustomPolicy } from '../src/connections/custom-policy.ts';
import * as connections from '../src/connections/schema.ts';
import * as credentials from '../src/credentials/schema.ts';
import * as grants from '../src/grants/schema.ts';
import * as keys from '../src/keys/schema.ts';
import * as seal from '../src/seal/schema.ts';
import * as workloads from '../src/workloads/schema.ts';
import type { Json } from './openapi-shape.ts';

type Members = { [member: string]: Json };

/** Shapes by the name that a generated client gives them. */
export const NAMED: Record<string, object> = {
  Administrator: administrators.Administrator,
  AdministratorChange: administrators.AdministratorChange,
  AdministratorPage: administrators.AdministratorPage,
  NewAdministrator: administrators.NewAdministrator,
  ClientKey: clients.Key,
  NewClientKey: clients.NewKey,
  PublicJwk: clients.JwkInput,
  Scopes: clients.Scopes,
  Connection: connections.Connection,
  ConnectionChange: connections.ConnectionChange,
  ConnectionPage: connections.ConnectionPage,
  NewConnection: connections.NewConnection,
  Link: connections.Link,
  CustomPolicy,
  Credentials: credentials.Credentials,
  Grant: grants.Grant,
  GrantChange: grants.GrantChange,
  GrantPage: grants.GrantPage,
  GrantSelector: grants.SelectorInput,
  NewGrant: grants.NewGrant,
  SealChange: seal.SealChange,
  Ring: keys.Ring,
  SigningKey: keys.Key,
  Rotated: keys.Rotated,
  RotationQueued: keys.Queued,
  Revoked: keys.Revoked,
  KeyPolicy: keys.Policy,
  Workload: workloads.Workload,
  WorkloadChange: workloads.WorkloadChange,
  WorkloadPage: workloads.WorkloadPage,
  NewWorkload: workloads.NewWorkload,
};

const host = (name: string, example: string, description: string): Members => ({
  url: `https://{${name}}`,
  description,
  variables: { [name]: { default: example } },
});

export const SERVERS = {
  internal: host('internal_host', 'countersign.internal.example.com', 'The internal listener, at INTERNAL_URL'),
  public: host('issuer_host', 'id.example.com', 'The public listener, at ISSUER_URL'),
};

export const TAGS: Json = [
  { name: 'publishing', description: 'Discovery and JWKS as static files, put in place by a publisher.' },
  { name: 'issuers', description: 'Discovery and JWKS, for whoever verifies a token.' },
  { name: 'tokens', description: 'Workload tokens.' },
  { name: 'credentials', description: 'Session credentials of a connection.' },
  { name: 'connections', description: 'Registered links to one cloud account and role each.' },
  { name: 'grants', description: 'Which workload may use which connections, for what, within which limits.' },
  { name: 'workloads', description: 'Registered internal services.' },
  { name: 'trusted issuers', description: 'Who may say of a workload that it is who it says.' },
  { name: 'administrators', description: 'People and programs that administer the service.' },
  { name: 'keys', description: 'Rings of signing keys, and the key policy.' },
  { name: 'audit', description: 'What was done, in order.' },
  { name: 'service', description: 'The service itself.' },
  { name: 'health', description: 'For orchestrators.' },
];

export const REASON: Members = {
  name: 'Countersign-Reason',
  in: 'header',
  required: false,
  description:
    'Why, for the audit log: percent-encoded UTF-8 of 1 to 500 characters. Administrators must send it with POST, PUT, PATCH and DELETE. So must everybody who revokes keys, holds or resumes rotations, begins or cancels a run of them, rehearses (drills), changes the key policy, chooses a signer, rotates the key-encryption key, turns publishing on or off, seals or unseals, or allows a wildcard. Others may.',
  schema: { type: 'string', minLength: 1 },
};

/** RFC 6749, section 4.4, with RFC 7523 and RFC 8707: read by oidc-provider, so written here by hand. */
export const TOKEN_FORM: Members = {
  required: true,
  content: {
    'application/x-www-form-urlencoded': {
      schema: {
        type: 'object',
        required: ['grant_type', 'resource'],
        properties: {
          grant_type: {
            type: 'string',
            enum: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
          },
          client_assertion_type: { type: 'string', enum: ['urn:ietf:params:oauth:client-assertion-type:jwt-bearer'] },
          client_assertion: {
            type: 'string',
            maxLength: 8192,
            description:
              "With client_credentials. A JWT by one of the client's keys (ES256 or RS256): iss and sub are the client_id, aud is ISSUER_URL alone, jti is new each time, exp is at most 5 minutes away. Or a token of a trusted issuer, whose only audience is that issuer's `audience` (ISSUER_URL unless set).",
          },
          subject_token: {
            type: 'string',
            maxLength: 8192,
            description:
              "With an exchange: a platform's token whose only audience is the `audience` of its trusted issuer (ISSUER_URL unless set; type jwt), or the ID token of a person's sign-in (type id_token).",
          },
          subject_token_type: {
            type: 'string',
            enum: ['urn:ietf:params:oauth:token-type:jwt', 'urn:ietf:params:oauth:token-type:id_token'],
          },
          requested_token_type: {
            type: 'string',
            enum: ['urn:ietf:params:oauth:token-type:access_token', 'urn:ietf:params:oauth:token-type:jwt'],
          },
          client_id: {
            type: 'string',
            description:
              "The id of the workload: required beside a trusted issuer's assertion, else where it is sent at all. With the ID token of a sign-in, the id or the name of the person's workload or administrator.",
          },
          resource: {
            type: 'string',
            description:
              'The audience: `<ISSUER_URL>/v1/connections/<id>/credentials`, `<ISSUER_URL>/v1/credentials`, `<ISSUER_URL>/v1`, or one registered for the workload.',
          },
          scope: {
            type: 'string',
            description: 'For `<ISSUER_URL>/v1`: scopes of the client, separated by spaces; all of them unless given.',
          },
        },
        additionalProperties: false,
      },
    },
  },
};

/** The documents' routes send text that they rendered, so they declare no schema. */
export const DOCUMENT_SCHEMAS: Members = {
  Discovery: {
    type: 'object',
    description: 'OpenID Connect Discovery 1.0, section 3. The platform issuer names its token endpoint, too.',
    required: [
      'issuer',
      'jwks_uri',
      'response_types_supported',
      'subject_types_supported',
      'id_token_signing_alg_values_supported',
    ],
    properties: {
      issuer: { type: 'string' },
      jwks_uri: { type: 'string' },
      response_types_supported: { type: 'array', items: { type: 'string' } },
      subject_types_supported: { type: 'array', items: { type: 'string' } },
      id_token_signing_alg_values_supported: { type: 'array', items: { type: 'string' } },
      claims_supported: { type: 'array', items: { type: 'string' } },
      token_endpoint: { type: 'string' },
      grant_types_supported: { type: 'array', items: { type: 'string' } },
      token_endpoint_auth_methods_supported: { type: 'array', items: { type: 'string' } },
      token_endpoint_auth_signing_alg_values_supported: { type: 'array', items: { type: 'string' } },
    },
  },
  Jwks: {
    type: 'object',
    description: 'RFC 7517: the published keys, oldest first.',
    required: ['keys'],
    properties: {
      keys: {
        type: 'array',
        items: {
          type: 'object',
          required: ['kty', 'kid', 'use', 'alg'],
          properties: {
            kty: { type: 'string', enum: ['EC', 'RSA'] },
            kid: { type: 'string', description: 'RFC 7638 thumbprint' },
            use: { type: 'string', enum: ['sig'] },
            alg: { type: 'string', enum: ['ES256', 'RS256'] },
            crv: { type: 'string', enum: ['P-256'] },
            x: { type: 'string' },
            y: { type: 'string' },
            n: { type: 'string' },
            e: { type: 'string' },
          },
        },
      },
    },
  },
};

const text = (description: string): Members => ({ description, schema: { type: 'string' } });

function cached(description: string, schema: string): { [status: string]: Members } {
  const headers = { 'Cache-Control': text('public, with the max-age of the key policy'), ETag: text('Of the body') };
  return {
    '200': {
      description,
      headers,
      content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
    },
    '304': { description: 'What If-None-Match names is current', headers },
  };
}

export const ISSUER_ANSWERS: { [operationId: string]: { [status: string]: Members } } = {
  getDiscovery: cached('The discovery document', 'Discovery'),
  getConnectionDiscovery: cached('The discovery document', 'Discovery'),
  getJwks: cached('The JWKS', 'Jwks'),
  getConnectionJwks: cached('The JWKS', 'Jwks'),
};
