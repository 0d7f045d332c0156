// Requests that are wrong in one way: bodies, query strings and paths, from what an operation says of itself.
import type { Operation, Schema, Sent } from './operations.ts';
import type { Case } from './refused.ts';

const isType = (schema: Schema, type: string): boolean =>
  schema.type === type ||
  (Array.isArray(schema.type) && schema.type.includes(type)) ||
  (schema.anyOf ?? []).some((each) => isType(each, type)) ||
  (schema.enum ?? []).some((value) =>
    type === 'boolean' ? typeof value === 'boolean' : type === 'string' && typeof value === 'string',
  );

/** Values of every JSON type that this schema does not take. */
function wrongValues(schema: Schema): unknown[] {
  const candidates: [string, unknown[]][] = [
    ['string', ['', 'x'.repeat(3000), 'nul\u0000byte']],
    ['integer', [7.5, -1, 1e300]],
    ['boolean', [true]],
    ['null', [null]],
    ['array', [[[[]]], [null]]],
    ['object', [{ a: { b: {} } }]],
  ];
  return candidates.flatMap(([type, values]) =>
    isType(schema, type) || (type === 'integer' && isType(schema, 'number')) ? [] : values,
  );
}

export function bodyCases(good: Sent, body: Record<string, unknown>, schema: Schema): Case[] {
  const raw = (text: string | Buffer): Sent => ({ ...good, body: text });
  const json = (value: unknown): Sent => raw(JSON.stringify(value));
  const text = JSON.stringify(body);
  const [first = 'x'] = Object.keys(body);
  const members = Object.entries(schema.properties ?? {});
  return [
    { name: 'an unknown member', sent: json({ ...body, unknown_member: 1 }), status: 400, code: 'invalid_request' },
    {
      name: 'a duplicate member',
      sent: raw(text.replace('{', `{${JSON.stringify(first)}:${JSON.stringify(body[first])},`)),
      status: 400,
      code: 'invalid_json',
    },
    {
      name: 'a member twice in two spellings',
      sent: raw(
        text.replace(
          '{',
          `{"\\u${(first.codePointAt(0) as number).toString(16).padStart(4, '0')}${first.slice(1)}":1,`,
        ),
      ),
      status: 400,
      code: 'invalid_json',
    },
    ...['__proto__', 'constructor', 'prototype'].map((name) => ({
      name,
      sent: raw(text.replace('{', `{"${name}":{"admin":true},`)),
      status: 400,
      code: 'invalid_json',
    })),
    {
      name: 'a hidden __proto__',
      sent: raw(text.replace('{', '{"\\u005f_proto__":{},')),
      status: 400,
      code: 'invalid_json',
    },
    { name: 'deep nesting', sent: raw(`${'{"a":'.repeat(17)}1${'}'.repeat(17)}`), status: 400, code: 'invalid_json' },
    { name: 'deeper nesting', sent: raw(`${'['.repeat(8000)}${']'.repeat(8000)}`), status: 400, code: 'invalid_json' },
    { name: '17 kB', sent: json({ ...body, [first]: 'x'.repeat(17 * 1024) }), status: 413, code: 'payload_too_large' },
    ...[
      '[]',
      '"x"',
      '7',
      'true',
      'null',
      text.slice(0, -1),
      `${text}${text}`,
      `\uFEFF${text}`,
      `/**/${text}`,
      text.replace('}', ',}'),
      'NaN',
    ].map((value) => ({ name: `the body ${value.slice(0, 20)}`, sent: raw(value), status: 400 })),
    {
      name: 'bytes that are not UTF-8',
      sent: raw(Buffer.concat([Buffer.from('{"'), Buffer.from([0xff, 0xfe]), Buffer.from('":1}')])),
      status: 400,
    },
    ...[
      'text/plain',
      'application/x-www-form-urlencoded',
      'text/json',
      'application/json-patch+json',
      'multipart/form-data; boundary=x',
      'application/jsonx',
      '*/*',
      'json',
    ].map((type) => ({
      ...{
        name: `content type ${type}`,
        sent: { ...good, headers: { ...good.headers, 'content-type': type } },
        status: 415,
        code: 'unsupported_media_type',
      },
    })),
    {
      name: 'no content type',
      sent: {
        ...good,
        headers: Object.fromEntries(Object.entries(good.headers ?? {}).filter(([name]) => name !== 'content-type')),
      },
      status: 415,
      code: 'unsupported_media_type',
    },
    ...(schema.required ?? []).map((name) => ({
      name: `without ${name}`,
      sent: json(Object.fromEntries(Object.entries(body).filter(([member]) => member !== name))),
      status: 400,
      code: 'invalid_request',
    })),
    ...members.flatMap(([name, member]) =>
      wrongValues(member).map((value) => ({
        name: `${name} = ${JSON.stringify(value).slice(0, 24)}`,
        sent: json({ ...body, [name]: value }),
        status: 400,
      })),
    ),
    ...members
      .flatMap(([name, member]) => (member.type === 'object' && member.properties ? nested(body, name, member) : []))
      .map(({ name, value }) => ({ name, sent: json(value), status: 400 })),
  ];
}

/** The same one level down. */
function nested(body: Record<string, unknown>, name: string, schema: Schema): { name: string; value: unknown }[] {
  const inner = (body[name] ?? {}) as Record<string, unknown>;
  const put = (value: object): unknown => ({ ...body, [name]: value });
  return [
    ...(schema['additionalProperties'] === false
      ? [{ name: `${name}: an unknown member`, value: put({ ...inner, unknown_member: 1 }) }]
      : []),
    ...(schema.required ?? []).map((member) => ({
      name: `${name} without ${member}`,
      value: put(Object.fromEntries(Object.entries(inner).filter(([key]) => key !== member))),
    })),
    ...Object.entries(schema.properties ?? {}).flatMap(([member, part]) =>
      wrongValues(part).map((value) => ({
        name: `${name}.${member} = ${JSON.stringify(value).slice(0, 24)}`,
        value: put({ ...inner, [member]: value }),
      })),
    ),
  ];
}

export function queryCases(good: Sent, query: Record<string, Schema>): Case[] {
  const ask = (text: string): Sent => ({ ...good, path: `${good.path}?${text}` });
  const bad: [name: string, text: string][] = [['an unknown parameter', 'unknown_parameter=1']];
  for (const [name, schema] of Object.entries(query)) {
    const value = encodeURIComponent(
      String(schema.enum?.[0] ?? (schema.type === 'integer' ? (schema['minimum'] ?? 900) : 'x')),
    );
    bad.push(
      [`${name} twice`, `${name}=${value}&${name}=${value}`],
      [`${name}[]`, `${name}[]=${value}`],
      [`${name}=NUL`, `${name}=%00`],
      [`${name} in another case`, `${name.toUpperCase()}=${value}`],
    );
    if (schema.type === 'integer')
      bad.push(
        ...['0', '-1', '1.5', '1e9', 'abc', '%20', 'null', '99999999999999999999'].map((text): [string, string] => [
          `${name}=${text}`,
          `${name}=${text}`,
        ]),
      );
    else bad.push([`${name}, too long`, `${name}=${'x'.repeat(2000)}`]);
  }
  // How long a session may last is decided behind the grant, which says more.
  return bad.map(([name, text]) => ({
    name,
    sent: ask(text),
    ...(name.startsWith('duration_seconds=') ? {} : { status: 400 }),
  }));
}

/** Only segments that are parameters; what is there otherwise is not found. */
export function pathCases(operation: Operation, good: Sent): Case[] {
  const [head, ...rest] = operation.path.split(/\{\w+\}/);
  if (rest.length === 0) return [];
  const tail = good.path.slice(
    good.path.indexOf('/', (head as string).length) === -1
      ? good.path.length
      : good.path.indexOf('/', (head as string).length),
  );
  return [
    '%',
    '%zz',
    '%c3',
    '%00',
    '%ff',
    '%ed%a0%80',
    '..%2f..',
    '%2e%2e',
    'x%20y',
    "'%3b--",
    '%F0%9F%94%91',
    'x'.repeat(300),
    '%25',
    ',',
  ].map((segment) => ({
    name: `the path segment ${segment.slice(0, 12)}`,
    sent: { ...good, path: `${head}${segment}${tail}` },
  }));
}
