// Requests of every operation of openapi.yaml, as arbitraries: as it says, or wrong somewhere.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse } from 'yaml';
import { anything, broken, type Schema, valid } from './values.ts';

export interface Parameter {
  in: 'path' | 'query' | 'header';
  name: string;
  required?: boolean;
  schema: Schema;
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  bearer: boolean;
  parameters: Parameter[];
  /** By content type. */
  body: Record<string, Schema>;
  bodyRequired: boolean;
  /** By status or `4XX`; then by content type, undefined where nothing is declared. */
  responses: Record<string, Record<string, Schema | undefined>>;
}

type Node = Record<string, unknown>;

/** Every reference replaced by what it names. */
function resolve(value: unknown, root: Node): unknown {
  if (Array.isArray(value)) return value.map((item) => resolve(item, root));
  if (typeof value !== 'object' || value === null) return value;
  const { $ref } = value as { $ref?: string };
  if ($ref !== undefined) {
    const found = $ref
      .slice(2)
      .split('/')
      .reduce<unknown>((node, name) => (node as Node)[name], root);
    return resolve(found, root);
  }
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, resolve(part, root)]));
}

const contentOf = (node: unknown): Record<string, Schema | undefined> =>
  Object.fromEntries(
    Object.entries((node as { content?: Record<string, { schema?: Schema }> }).content ?? {}).map(
      ([type, { schema }]) => [type, schema],
    ),
  );

/** Of the committed file: what callers are told. */
export function readOperations(file = join(import.meta.dirname, '../../openapi.yaml')): Operation[] {
  const document = parse(readFileSync(file, 'utf8')) as Node;
  const paths = resolve(document['paths'], document) as Record<string, Record<string, Node>>;
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, described]) => {
      const body = described['requestBody'] as { required?: boolean } | undefined;
      return {
        ...{ id: described['operationId'] as string, method: method.toUpperCase(), path },
        bearer: ((described['security'] ?? [{}]) as unknown[]).length > 0,
        parameters: (described['parameters'] ?? []) as Parameter[],
        body: contentOf(body ?? {}) as Record<string, Schema>,
        bodyRequired: body?.required ?? false,
        responses: Object.fromEntries(
          Object.entries(described['responses'] as Node).map(([status, answer]) => [status, contentOf(answer)]),
        ),
      };
    }),
  );
}

/** What makes things first, what ends them last, so that there is something to ask for. */
export function inOrder(operations: readonly Operation[]): Operation[] {
  const rank = ({ id, method }: Operation): number => {
    if (method === 'DELETE' || id === 'revokeKey' || id === 'turnPublishingOff') return 3;
    if (method === 'PATCH') return 2;
    return method === 'POST' && id.startsWith('create') && !id.endsWith('Credentials') ? 0 : 1;
  };
  return [...operations].sort((a, b) => rank(a) - rank(b));
}

/** Values before they are written into a request; pools are not filled in yet. */
export interface Draft {
  parameters: { parameter: Parameter; value: unknown }[];
  /** Parameters that nobody declared. */
  extra: { in: 'query' | 'header'; name: string; value: string }[];
  contentType: string | undefined;
  body: unknown;
  /** Sent in place of `body`, where it is no JSON. */
  text: string | undefined;
}

const headerText = fc.string({ unit: fc.constantFrom(...' !"#$%&\'()*+,-./09:;<=>?@AZ[]^_`az{|}~é'), maxLength: 40 });
const extra = fc.oneof(
  fc.record({
    in: fc.constant('query' as const),
    name: fc.constantFrom('x', 'access_token', '__proto__', 'limit'),
    value: headerText,
  }),
  fc.record({
    in: fc.constant('header' as const),
    name: fc.constantFrom(
      'accept',
      'content-type',
      'if-none-match',
      'x-forwarded-host',
      'cookie',
      'idempotency-key',
      'countersign-reason',
      'traceparent',
      'prefer',
      'range',
      'expect-ct',
    ),
    value: headerText,
  }),
);

function parametersOf(operation: Operation, wrong: Parameter | undefined): fc.Arbitrary<Draft['parameters']> {
  const all = operation.parameters.map((parameter) => {
    const values = (parameter === wrong ? broken : valid)(parameter.schema, parameter.name);
    const value = fc.record({ parameter: fc.constant(parameter), value: values });
    if (parameter.required || parameter === wrong) return value;
    return fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
  });
  return fc.tuple(...all).map((each) => each.filter((one) => one !== undefined));
}

/** A request as the operation describes it, or (`wrong`) with a fault somewhere. */
export function requestsOf(operation: Operation, wrong: boolean): fc.Arbitrary<Draft> {
  const [type, schema] = Object.entries(operation.body)[0] ?? [];
  const none = { extra: fc.constant<Draft['extra']>([]), text: fc.constant(undefined) };
  const plainBody = {
    contentType: fc.constant(schema ? type : undefined),
    body: schema ? valid(schema) : fc.constant(undefined),
  };
  if (!wrong) return fc.record({ parameters: parametersOf(operation, undefined), ...plainBody, ...none });
  const faults: fc.Arbitrary<Draft>[] = operation.parameters.map((parameter) =>
    fc.record({ parameters: parametersOf(operation, parameter), ...plainBody, ...none }),
  );
  const good = parametersOf(operation, undefined);
  faults.push(
    fc.record({ parameters: good, ...plainBody, ...none, extra: fc.array(extra, { minLength: 1, maxLength: 3 }) }),
    fc.record({
      parameters: good,
      contentType: fc.constantFrom(
        'application/json',
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'application/json; charset=utf-16',
      ),
      body: anything,
      ...none,
    }),
  );
  if (schema) {
    const one = fc.record({ parameters: good, contentType: fc.constant(type), body: broken(schema), ...none });
    const text = fc.string({ unit: fc.constantFrom(...'{}[]":,\\u0019eE-+.truefalsn \n'), maxLength: 40 });
    const raw = fc.record({ parameters: good, ...plainBody, ...none, text });
    faults.push(one, one, one, one, raw);
  }
  return fc.oneof(...faults);
}
