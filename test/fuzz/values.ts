// Values from a JSON schema, as arbitraries: such as it takes, and such as it should not.
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';

export interface Schema {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  required?: string[];
  minProperties?: number;
  maxProperties?: number;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  format?: string;
}

type Values = fc.Arbitrary<unknown>;

/** Strings that break things: lone surrogates, NUL, names of Object.prototype, what SQL, HTML and shells read. */
const nasty = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    ...[
      '',
      ' ',
      '\u0000',
      '\ud800',
      '${x}',
      "' or 1=1 --",
      '__proto__',
      'toString',
      '<b>',
      '../..',
      '%00',
      '-1',
      '1e999',
    ],
    ...[
      '\u202e',
      '🦊',
      'x'.repeat(2000),
      '0',
      'null',
      'host',
      'system',
      '2026-02-30T00:00:00Z',
      '+275760-09-13',
      'cn_',
    ],
  ),
);

/** Any JSON. */
export const anything: Values = fc.letrec<{ any: unknown; list: unknown; object: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    ...[nasty, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.boolean(), fc.constant(null)],
    ...[tie('list'), tie('object')],
  ),
  list: fc.array(tie('any'), { maxLength: 3 }),
  object: fc.dictionary(nasty, tie('any'), { maxKeys: 3 }),
})).any;

/** A key that nobody has registered: another one whenever it is drawn. */
const freshKey: Values = fc
  .nat()
  .map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }));
const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
const publicKey: Values = fc.oneof({ weight: 9, arbitrary: freshKey }, fc.constant(rsaKey));

/** What chance would never hit, by the name of a member or parameter; `{{pool:n}}` is filled in when it is sent. */
const pool = (name: string): Values => fc.nat({ max: 99 }).map((index) => `{{${name}:${index}}}`);
const policy = (...effects: string[]): Values =>
  fc.record({
    Version: fc.constant('2012-10-17'),
    Statement: fc.array(
      fc.record({
        Effect: fc.constantFrom(...effects),
        Action: fc.constantFrom('s3:GetObject', 's3:*', '*'),
        Resource: fc.constantFrom('*', 'arn:aws:s3:::bucket/*'),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  });
/** Of an issuer that is another whenever it is drawn. */
const pasted: Values = fc.nat().map((nat) => ({
  keys: [{ ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }), kid: `k${nat}` }],
}));

const KNOWN: Record<string, Values> = {
  trusted_issuer: pool('trusted_issuer'),
  identity: pool('identity'),
  jwks: pasted,
  jwks_uri: fc.constant(null),
  claims: fc.dictionary(fc.constantFrom('ref', '/a/b', 'sub', 'environment'), fc.constantFrom('x', true, 7, ''), {
    maxKeys: 2,
  }),
  // Each draw another subject, or nobody but the first could have it; and one that all want.
  subject: fc.oneof(
    fc.nat().map((nat) => `repo:acme/${nat}:ref`),
    fc.constantFrom('repo:acme/*', 'repo:acme/1*', 'x'),
  ),
  subject_token: pool('assertion'),
  subject_token_type: fc.constantFrom(
    'urn:ietf:params:oauth:token-type:jwt',
    'urn:ietf:params:oauth:token-type:id_token',
  ),
  workload: pool('workload'),
  connection: pool('connection'),
  grant: pool('grant'),
  administrator: pool('administrator'),
  kid: pool('kid'),
  drill: pool('drill'),
  issuer: fc.oneof(fc.constant('platform'), pool('issuer')),
  keys: fc.array(publicKey, { maxLength: 3 }),
  jwk: publicKey,
  custom_policy: policy('Allow', 'Deny'),
  session_policy: fc.oneof({ weight: 2, arbitrary: policy('Deny') }, policy('Allow', 'Deny')),
  tags: fc.dictionary(fc.constantFrom('team', 'cost', 'a b'), fc.constantFrom('x', '', 'é'), { maxKeys: 3 }),
  audiences: fc.uniqueArray(fc.constantFrom('https://a.example', 'https://b.example/x', 'urn:c:d'), { maxLength: 3 }),
  expires_at: fc.constantFrom('2099-01-01T00:00:00Z', '2001-01-01T00:00:00Z'),
  timeout_seconds: fc.constant(1),
  purpose: fc.constantFrom('default', 'default', 'default', 'backup'),
  duration_seconds: fc.constantFrom(900, 3600),
  client_id: pool('client'),
  'Countersign-Reason': fc.constantFrom('because', 'why%20not', '%E2%9C%93'),
  client_assertion: pool('assertion'),
  resource: pool('resource'),
  cursor: pool('cursor'),
  from: fc.constantFrom('2026-01-31T12:00:00Z', '2025-01-01'),
  to: fc.constantFrom('2099-01-31T12:00:00+02:00', '2099-01-01'),
  scope: fc.constantFrom('audit:read', 'connections:read keys:read', ''),
  now: fc.boolean(),
  replaces: fc.integer({ min: 1, max: 4 }),
  target: pool('target'),
  holder: fc.constant('host.example/1'),
  epoch: fc.constantFrom(1, 1, 1, 2),
  since: fc.constantFrom('0.0', '5.100'),
  rotation: pool('rotation'),
  selection: fc.constantFrom({ all: true }, { issuers: ['platform'] }, { tenant: 'nobody' }, {}),
  verifier_cache_seconds: fc.constantFrom(5, 5, 60),
  oldest_served_seconds: fc.constantFrom(5, 60),
  oldest_signed_seconds: fc.constantFrom(5, 5, 5, 10),
  clock_error_seconds: fc.constant(1),
  // No ring is due while requests are compared.
  period_seconds: fc.constantFrom(1_000_000, 2_000_000),
};

/** fast-check writes no lookahead: without it, then what the whole pattern takes. */
function matching(pattern: string): fc.Arbitrary<string> {
  const whole = new RegExp(pattern, 'u');
  const without = pattern.replaceAll(/\(\?!(?:[^()]|\([^()]*\))*\)/g, '');
  return fc.stringMatching(new RegExp(without, 'u')).filter((text) => whole.test(text));
}

function strings({ pattern, format, minLength = 0, maxLength = 300 }: Schema): Values {
  if (format === 'date-time') return fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
  const any = pattern === undefined ? fc.string({ minLength, maxLength: Math.min(maxLength, 60) }) : matching(pattern);
  const fits = any.filter((text) => [...text].length >= minLength && [...text].length <= maxLength);
  // At its longest, where it takes everything.
  const longest = 'x'.repeat(maxLength);
  const takes = pattern === undefined || new RegExp(pattern, 'u').test(longest);
  return takes ? fc.oneof({ weight: 9, arbitrary: fits }, fc.constant(longest)) : fits;
}

function objects(schema: Schema): Values {
  const { properties = {}, required = [], minProperties = 0, maxProperties = 20 } = schema;
  const { additionalProperties } = schema;
  const others = typeof additionalProperties === 'object' ? { '^.*$': additionalProperties } : {};
  const patternProperties = { ...others, ...schema.patternProperties };
  const named = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, valid(part, name)])),
    { requiredKeys: required },
  );
  const free = Object.entries(patternProperties).map(([pattern, part]) =>
    fc.dictionary(pattern === '^.*$' ? nasty : matching(pattern), valid(part), { maxKeys: 3 }),
  );
  return fc
    .tuple(named, ...free)
    .map((parts) => Object.assign({}, ...parts) as object)
    .filter((value) => Object.keys(value).length >= minProperties && Object.keys(value).length <= maxProperties);
}

/** Values that the schema takes. @param name of the member or parameter, where it tells what it means */
export function valid(schema: Schema, name = ''): Values {
  const plain = fromSchema(schema);
  const known = KNOWN[name];
  return known ? fc.oneof({ weight: 5, arbitrary: known }, { weight: 1, arbitrary: plain }) : plain;
}

function fromSchema(schema: Schema): Values {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((each) => valid(each)));
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 1) return fc.oneof(...types.map((type) => fromSchema({ ...schema, type })));
  const [type] = types;
  if (type === undefined) return anything;
  switch (type) {
    case 'string':
      return strings(schema);
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -(2 ** 31), max: schema.maximum ?? 2 ** 31 - 1 });
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array': {
      const { items = {}, minItems: minLength = 0, maxItems = 6, uniqueItems } = schema;
      const constraints = { minLength, maxLength: Math.min(maxItems, Math.max(6, minLength)) };
      return uniqueItems
        ? fc.uniqueArray(valid(items), { ...constraints, selector: (value) => JSON.stringify(value) })
        : fc.array(valid(items), constraints);
    }
    case 'object':
      return objects(schema);
    default:
      return anything;
  }
}

/** Values that the schema should not take, most of them one fault away from such as it does. */
export function broken(schema: Schema, name = ''): Values {
  const arbitraries: Values[] = [anything];
  const { type, properties = {}, required = [], items, maxItems, minimum, maximum, minLength, maxLength } = schema;
  if (type === 'object') {
    const good = valid(schema, name) as fc.Arbitrary<Record<string, unknown>>;
    arbitraries.push(fc.tuple(good, nasty, anything).map(([value, member, any]) => ({ ...value, [member]: any })));
    const members = Object.entries(properties);
    if (required.length > 0)
      arbitraries.push(
        fc.tuple(good, fc.constantFrom(...required)).map(([value, member]) => ({ ...value, [member]: undefined })),
      );
    if (members.length > 0) {
      const faults = members.map(([member, part]) => broken(part, member).map((fault) => ({ [member]: fault })));
      const one = fc.tuple(good, fc.oneof(...faults)).map(([value, fault]) => ({ ...value, ...fault }));
      arbitraries.push(one, one, one);
    }
  }
  if (type === 'array' && items) {
    const good = valid(schema, name) as fc.Arbitrary<unknown[]>;
    arbitraries.push(fc.tuple(good, broken(items)).map(([value, fault]) => [...value, fault]));
    arbitraries.push(good.map((value) => [...value, ...value, ...value].slice(0, 300)));
    if (maxItems !== undefined && maxItems < 200)
      arbitraries.push(valid(items).map((item) => Array.from({ length: maxItems + 1 }, () => item)));
  }
  if (type === 'integer') {
    if (minimum !== undefined) arbitraries.push(fc.integer({ min: Number.MIN_SAFE_INTEGER, max: minimum - 1 }));
    if (maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER)
      arbitraries.push(fc.integer({ min: maximum + 1, max: Number.MAX_SAFE_INTEGER }));
    arbitraries.push(fc.constantFrom(0.5, -1, 1e21, '1', Number.MAX_SAFE_INTEGER + 2));
  }
  if (type === 'string' || schema.enum) {
    arbitraries.push(nasty, nasty);
    if (minLength) arbitraries.push(fc.constant(''));
    if (maxLength !== undefined) arbitraries.push(fc.constant('x'.repeat(maxLength + 1)));
    arbitraries.push(
      fc.tuple(valid(schema, name), nasty).map(([value, more]) => `${String(value)}${more}`),
      fc.constantFrom('\ud800', 'a\u0000b', 'A'.repeat(64)),
    );
  }
  for (const each of schema.anyOf ?? []) arbitraries.push(broken(each));
  return fc.oneof(...arbitraries);
}
