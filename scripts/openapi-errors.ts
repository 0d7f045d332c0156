// The errors of the API as shared components: problem documents with the codes of src/errors.ts, and OAuth's own.
import { type Code, STATUS } from '../src/errors.ts';
import type { Json } from './openapi-shape.ts';

type Members = { [member: string]: Json };

/** `403: insufficient_scope, …` a line, for whoever maps codes to what to do. */
function listCodes(): string {
  const byStatus = Object.groupBy(Object.entries(STATUS), ([, status]) => status);
  return Object.entries(byStatus)
    .map(([status, codes]) => `- ${status}: ${codes.map(([code]) => `\`${code}\``).join(', ')}`)
    .join('\n');
}

const Problem: Members = {
  type: 'object',
  description: 'RFC 9457. `code` is stable, `detail` and `hint` are for people; some codes come with further members.',
  required: ['type', 'title', 'status', 'code', 'detail', 'request_id'],
  properties: {
    type: { type: 'string', description: '`urn:countersign:problem:<code>`' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: {
      type: 'string',
      enum: Object.keys(STATUS) satisfies string[] as Code[],
      description: `By status:\n${listCodes()}`,
    },
    detail: { type: 'string' },
    hint: { type: 'string', description: 'What to do about it.' },
    request_id: { type: 'string' },
  },
  additionalProperties: true,
};

const AwsProblem: Members = {
  description: 'A problem with the two members that AWS SDKs read from a container credentials endpoint.',
  allOf: [
    { $ref: '#/components/schemas/Problem' },
    {
      type: 'object',
      required: ['Code', 'Message'],
      properties: { Code: { type: 'string' }, Message: { type: 'string' } },
    },
  ],
};

const OAuthError: Members = {
  type: 'object',
  description: 'RFC 6749, section 5.2.',
  required: ['error'],
  properties: {
    error: { type: 'string' },
    error_description: { type: 'string' },
    code: {
      type: 'string',
      description: 'Of the problem behind `temporarily_unavailable`, where it has one: `sealed`.',
    },
    hint: { type: 'string', description: 'What to do about it.' },
  },
};

const RETRY_AFTER: Members = { 'Retry-After': { description: 'Seconds.', schema: { type: 'integer' } } };

const retryAfterWith = (statuses: string): Members => ({
  'Retry-After': { description: `Seconds; with ${statuses}.`, schema: { type: 'integer' } },
});

function answer(description: string, schema: string, type: string, headers?: Members): Members {
  const content = { [type]: { schema: { $ref: `#/components/schemas/${schema}` } } };
  return { description, ...(headers ? { headers } : {}), content };
}

const PROBLEM = 'application/problem+json';

export const ERROR_COMPONENTS: { schemas: Members; responses: Members } = {
  schemas: { Problem, AwsProblem, OAuthError },
  responses: {
    Refused: answer(
      'Refused: nothing was changed',
      'Problem',
      PROBLEM,
      retryAfterWith('429, and with 409 that passes by itself (`standby_not_served`, `publishing_leased`)'),
    ),
    Failed: answer('Failed; 503 can be tried again', 'Problem', PROBLEM, RETRY_AFTER),
    CredentialsRefused: answer('Refused: nothing was handed out', 'AwsProblem', PROBLEM, retryAfterWith('429')),
    CredentialsFailed: answer('Failed; 503 can be tried again', 'AwsProblem', PROBLEM, RETRY_AFTER),
    TokenRefused: answer('Refused: no token', 'OAuthError', 'application/json', retryAfterWith('429')),
    TokenFailed: answer('Failed; 503 can be tried again', 'OAuthError', 'application/json', RETRY_AFTER),
  },
};

/** The error answers of an operation. A status of its own, such as readiness's 503, stays what the route says. */
export function refusalsOf(path: string, responses: { [status: string]: Members }): { [status: string]: Members } {
  const kind = path === '/oauth2/token' ? 'Token' : path.endsWith('/credentials') ? 'Credentials' : '';
  const reference = (name: string): Members => ({ $ref: `#/components/responses/${kind}${name}` });
  return { '4XX': reference('Refused'), ...('503' in responses ? {} : { '5XX': reference('Failed') }) };
}
