// Every way in which an issuer's server can misbehave, and what operators read of it: to read, and to run.
import type { StandInAnswer } from '../support/stand-in-issuer.ts';

export interface Misbehaviour {
  /** Members of its discovery document that are other than they should be; undefined leaves out. */
  says?: Record<string, unknown>;
  /** In place of that document. */
  discovery?: StandInAnswer;
  /** In place of its keys. */
  jwks?: StandInAnswer;
  /** On record as the failure. Whoever shows a token of it hears 503, and to come again. */
  why: RegExp;
}

const ANOTHER = /its issuer is another/;
const ELSEWHERE = /jwks_uri is on another host/;
const TYPE = /content type is not JSON/;
const NO_JSON = /not a sound JSON object/;
const NO_JWKS = /it is no JWKS/;
const LARGE = /more than 64 kB/;
export const LATE = /no whole answer in time/;
const NO_HTTP = /is not HTTP/;

/** `{{url}}` is its `iss`, `{{host}}` where that is, `{{elsewhere}}` another server. */
export const MISBEHAVIOURS: Record<string, Misbehaviour> = {
  // Another issuer than it is trusted as.
  'another issuer': { says: { issuer: '{{elsewhere}}' }, why: ANOTHER },
  'with a slash more': { says: { issuer: '{{url}}/' }, why: ANOTHER },
  'of the whole host': { says: { issuer: 'http://{{host}}' }, why: ANOTHER },
  'in a list': { says: { issuer: ['{{url}}'] }, why: ANOTHER },
  'of no name': { says: { issuer: undefined }, why: ANOTHER },
  // Keys that are somewhere else.
  'jwks_uri elsewhere': { says: { jwks_uri: '{{elsewhere}}/jwks' }, why: ELSEWHERE },
  'jwks_uri by another scheme': { says: { jwks_uri: 'https://{{host}}/jwks' }, why: ELSEWHERE },
  'jwks_uri at the metadata service': { says: { jwks_uri: 'http://169.254.169.254/latest' }, why: ELSEWHERE },
  'jwks_uri of a file': { says: { jwks_uri: 'file:///etc/passwd' }, why: ELSEWHERE },
  'jwks_uri with a user': { says: { jwks_uri: 'http://user:pass@{{host}}/jwks' }, why: /may not be gone to/ },
  'jwks_uri without a host': { says: { jwks_uri: '/jwks' }, why: ELSEWHERE },
  'jwks_uri as a list': { says: { jwks_uri: ['{{url}}/jwks'] }, why: ELSEWHERE },
  'no jwks_uri': { says: { jwks_uri: undefined }, why: ELSEWHERE },
  // No answer that counts.
  'discovery leads on': { discovery: { status: 302, headers: { location: '{{elsewhere}}' } }, why: /answer is 302/ },
  'keys lead on': { jwks: { status: 307, headers: { location: '{{elsewhere}}/jwks' } }, why: /answer is 307/ },
  'keys moved for ever': { jwks: { status: 301, headers: { location: '{{url}}/jwks' } }, why: /answer is 301/ },
  'discovery not found': { discovery: { status: 404 }, why: /answer is 404/ },
  'keys for those who sign in': { jwks: { status: 401, body: { keys: [] } }, why: /answer is 401/ },
  'keys with an error': { jwks: { status: 500, body: { keys: [] } }, why: /answer is 500/ },
  'too many asked': { jwks: { status: 429, headers: { 'retry-after': '0' } }, why: /answer is 429/ },
  'nothing in it': { jwks: { status: 204 }, why: /answer is 204/ },
  // Too slow, and not to the end.
  silence: { jwks: { afterMs: 60_000 }, why: LATE },
  'slow at discovery': { discovery: { body: '{', ends: 'never' }, why: LATE },
  'slow at its keys': { jwks: { body: '{', ends: 'never' }, why: LATE },
  'byte by byte': { jwks: { body: '{', ends: 'trickling' }, why: LATE },
  'cut off before an answer': { jwks: { raw: '' }, why: LATE },
  'cut off within': { jwks: { body: '{"keys":[', ends: 'cut' }, why: LATE },
  'shorter than it says': { jwks: { body: '{"keys":[]}', headers: { 'content-length': '99' } }, why: LATE },
  // Too much.
  huge: { jwks: { body: ' ', times: 65_537 }, why: LARGE },
  'huge discovery': { discovery: { body: '{"issuer":', times: 1_000_000 }, why: LARGE },
  deep: { jwks: { body: '{"keys":', times: 8000 }, why: NO_JSON },
  'too many keys': { jwks: { body: { keys: Array.from({ length: 101 }, () => ({})) } }, why: NO_JWKS },
  // Not what was asked for.
  HTML: { jwks: { type: 'text/html', body: { keys: [] } }, why: TYPE },
  'discovery as a JWKS': { discovery: { type: 'application/jwk-set+json', body: {} }, why: TYPE },
  'no type': { jwks: { type: null, body: { keys: [] } }, why: TYPE },
  'two types': { jwks: { type: 'text/html, application/json', body: { keys: [] } }, why: TYPE },
  'not JSON': { jwks: { body: '{"keys":' }, why: NO_JSON },
  empty: { jwks: {}, why: NO_JSON },
  'a mark before it': { jwks: { body: '\ufeff{"keys":[]}' }, why: NO_JSON },
  'a member twice': { jwks: { body: '{"keys":[],"keys":[1]}' }, why: NO_JSON },
  'a list': { jwks: { body: [] }, why: NO_JSON },
  'a number': { discovery: { body: 7 }, why: NO_JSON },
  null: { jwks: { body: null }, why: NO_JSON },
  'no keys': { jwks: { body: {} }, why: NO_JWKS },
  'keys as an object': { jwks: { body: { keys: {} } }, why: NO_JWKS },
  'keys as text': { jwks: { body: { keys: '[]' } }, why: NO_JWKS },
  'no HTTP': { discovery: { raw: 'SSH-2.0-OpenSSH_9.6\r\n' }, why: NO_HTTP },
  'two lengths': { jwks: { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}' }, why: NO_HTTP },
  'headers without end': { jwks: { raw: `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(20_000)}` }, why: NO_HTTP },
};

export interface Rebinding {
  /** Where its name leads, asked again for each connection; the first alone may be gone to. */
  leads: string[][];
  /** What its server is asked for. */
  asked: ('discovery' | 'keys')[];
  why: RegExp;
}

const HERE = '127.0.0.1';
const FORBIDDEN = /may not be gone to: .*, which is not public/;

export const REBINDINGS: Record<string, Rebinding> = {
  'to another address of this machine': { leads: [[HERE], ['127.0.0.2']], asked: ['discovery'], why: FORBIDDEN },
  'to a private address': { leads: [[HERE], ['10.0.0.1']], asked: ['discovery'], why: FORBIDDEN },
  'to the metadata service': { leads: [[HERE], ['::ffff:169.254.169.254']], asked: ['discovery'], why: FORBIDDEN },
  'to this machine, as IPv6': { leads: [[HERE], ['::1']], asked: ['discovery'], why: FORBIDDEN },
  'to two, of which one may be gone to': { leads: [[HERE], [HERE, '10.0.0.1']], asked: ['discovery'], why: FORBIDDEN },
  nowhere: { leads: [[HERE], []], asked: ['discovery'], why: /does not resolve/ },
  'where it may be gone to, too late': { leads: [['10.0.0.1'], [HERE]], asked: [], why: FORBIDDEN },
};
