// From what the routes say to a document for people and code generators: named schemas, errors, security, servers, one order.
import canonicalize from 'canonicalize';
import { ERROR_COMPONENTS, refusalsOf } from './openapi-errors.ts';
import { DOCUMENT_SCHEMAS, ISSUER_ANSWERS, NAMED, REASON, SERVERS, TAGS, TOKEN_FORM } from './openapi-parts.ts';

export type Json = string | number | boolean | null | Json[] | { [member: string]: Json };
type Members = { [member: string]: Json };

export interface Operation {
  operationId: string;
  summary: string;
  tags: string[];
  security?: Json;
  servers?: Json;
  parameters?: Json[];
  requestBody?: Json;
  responses: { [status: string]: Members };
  [member: string]: unknown;
}

export interface Document {
  openapi: string;
  info: Members;
  paths: { [path: string]: { [method: string]: Operation } };
  components: { [kind: string]: Members };
  [member: string]: unknown;
}

const CHANGING = new Set(['post', 'put', 'patch', 'delete']);

/** Asked by whoever has no token yet. */
const OPEN = new Set(['/v1/login']);

/** Reads that may start a verification, on record. */
const STARTING = new Set(['getConnectionLink', 'getConnectionTemplate']);

/** @fastify/swagger writes `const` as an enum, and forgets which members a record may have: so does this, to compare. */
function fingerprint(schema: unknown): string {
  const text = JSON.stringify(schema, (_name, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const { const: only, patternProperties, ...rest } = value as Members;
    const [members] = Object.values(patternProperties ?? {});
    return {
      ...rest,
      ...(members === undefined ? {} : { additionalProperties: members }),
      ...(only === undefined ? {} : { enum: [only] }),
    };
  });
  return canonicalize(JSON.parse(text)) ?? '';
}

/** Every schema that has a name, by its text. */
const NAMES = new Map(Object.entries(NAMED).map(([name, schema]) => [fingerprint(schema), name]));

/** A copy in which a schema that has a name is a reference to it. */
function nameSchemas(value: Json, inside?: string): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => nameSchemas(item));
  const name = NAMES.get(fingerprint(value));
  if (name !== undefined && name !== inside) return { $ref: `#/components/schemas/${name}` };
  return Object.fromEntries(Object.entries(value).map(([member, part]) => [member, nameSchemas(part)]));
}

const DESCRIPTIONS: Record<string, string> = {
  '200': 'OK',
  '201': 'Created; the first answer once more where the Idempotency-Key was used before',
  '202': 'Accepted: it goes on after the answer',
  '204': 'Done',
  '503': 'Not now',
};

function describeResponse(status: string, response: Members): Members {
  const { description } = response;
  return {
    ...response,
    description: description === 'Default Response' ? (DESCRIPTIONS[status] ?? 'An error') : (description ?? ''),
  };
}

function shapeOperation(path: string, method: string, operation: Operation): Operation {
  const { parameters = [], responses, requestBody, ...rest } = operation;
  const api = path.startsWith('/v1/') && !OPEN.has(path);
  const credentials = path.endsWith('/credentials');
  const acts = CHANGING.has(method) || STARTING.has(operation.operationId);
  const reason = api && acts && !credentials ? [{ $ref: '#/components/parameters/Reason' }] : [];
  const all = [...parameters.map((parameter) => nameSchemas(parameter)), ...reason];
  const body = path === '/oauth2/token' ? TOKEN_FORM : requestBody;
  const answers: [string, Members][] = Object.entries(ISSUER_ANSWERS[operation.operationId] ?? responses).map(
    ([status, answer]) => [status, describeResponse(status, nameSchemas(answer as Json) as Members)],
  );
  return {
    ...rest,
    // A token endpoint authenticates by what is in its form; documents and health are for anybody.
    security: api ? [{ bearer: [] }] : [],
    ...(path.startsWith('/c/') ? { servers: [SERVERS.public] } : {}),
    ...(path.startsWith('/oauth2/') || path.startsWith('/v1/')
      ? {}
      : path.startsWith('/c/')
        ? {}
        : { servers: [SERVERS.internal, SERVERS.public] }),
    ...(all.length > 0 ? { parameters: all } : {}),
    ...(body === undefined ? {} : { requestBody: nameSchemas(body) }),
    responses: { ...Object.fromEntries(answers), ...refusalsOf(path, responses) },
  };
}

const METHODS = ['get', 'post', 'patch', 'delete'];

function sorted<T>(object: { [name: string]: T }, order: (a: string, b: string) => number): { [name: string]: T } {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => order(a, b)));
}

const alphabetical = (a: string, b: string): number => (a < b ? -1 : 1);

export function shapeDocument(document: Document): Document {
  const paths = Object.entries(document.paths).map(([path, item]) => {
    const operations = Object.entries(item).map(([method, operation]) => [
      method,
      shapeOperation(path, method, operation),
    ]);
    return [
      path,
      sorted(Object.fromEntries(operations) as typeof item, (a, b) => METHODS.indexOf(a) - METHODS.indexOf(b)),
    ];
  });
  const named = Object.entries(NAMED).map(([name, schema]) => [
    name,
    nameSchemas(JSON.parse(JSON.stringify(schema)) as Json, name),
  ]);
  const schemas = { ...Object.fromEntries(named), ...DOCUMENT_SCHEMAS, ...ERROR_COMPONENTS.schemas } as Members;
  return {
    openapi: document.openapi,
    info: document.info,
    servers: [SERVERS.internal],
    tags: TAGS,
    security: [{ bearer: [] }],
    paths: sorted(Object.fromEntries(paths) as Document['paths'], alphabetical),
    components: {
      securitySchemes: document.components['securitySchemes'] ?? {},
      parameters: { Reason: REASON },
      responses: ERROR_COMPONENTS.responses,
      schemas: sorted(schemas, alphabetical) as Members,
    },
  };
}
