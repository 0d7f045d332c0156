// The strict check of the compact form, before any cryptography.
import t from 'tap';
import { parseCompact } from '../../src/tokens/compact.ts';

const b64 = (value: string | object): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const token = (header: string | object, payload: string | object = {}, signature = 'AAAA'): string =>
  `${b64(header)}.${b64(payload)}.${signature}`;

t.test('a plain one passes', async (t) => {
  t.same(parseCompact(token({ alg: 'ES256' }, { sub: 'x' })), { header: { alg: 'ES256' }, payload: { sub: 'x' } });
});

const refused: [string, string][] = [
  ['two parts', 'YQ.YQ'],
  ['four parts', 'YQ.YQ.YQ.YQ'],
  ['an empty signature (alg none)', `${b64({ alg: 'none' })}.${b64({})}.`],
  ['padding', `${b64({ alg: 'ES256' })}=.${b64({})}.AAAA`],
  ['a space', ` ${token({ alg: 'ES256' })}`],
  ['a newline', `${token({ alg: 'ES256' })}\n`],
  ['standard base64', token({ alg: 'ES256' }).replace('AAAA', '+/+/')],
  ['not canonical base64url', token({ alg: 'ES256' }, {}, 'AB')],
  ['another spelling of its payload', `${b64({ alg: 'ES256' })}.${b64('{}').replace(/0$/, '1')}.AAAA`],
  ['not JSON', token('{', {})],
  ['an array', token('[]', {})],
  ['null', token('null', {})],
  ['duplicate members', token('{"alg":"none","alg":"ES256"}', {})],
  ['duplicate members that differ in escapes', token('{"alg":"none","\\u0061lg":"ES256"}', {})],
  ['duplicate claims', token({ alg: 'ES256' }, '{"aud":"a","aud":"b"}')],
  ['a prototype member', token({ alg: 'ES256' }, '{"__proto__":{"sub":"x"}}')],
  ['broken UTF-8', `${Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]).toString('base64url')}.${b64({})}.AAAA`],
  ['deep nesting', token({ alg: 'ES256' }, '['.repeat(20) + ']'.repeat(20))],
  ['too long', token({ alg: 'ES256' }, { sub: 'x'.repeat(9000) })],
  ...['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'zip'].map((name): [string, string] => [
    `header ${name}`,
    token({ alg: 'ES256', [name]: 'x' }),
  ]),
];

for (const [name, value] of refused) {
  t.test(`refused: ${name}`, async (t) => {
    t.throws(() => parseCompact(value), { name: 'MalformedToken' });
  });
}
