// Tokens: what is minted, what may never be, and what verification refuses.
import { type Defence, provenBy } from './defence.ts';

const VERIFY = 'test/tokens/verify.test.ts';
const COMPACT = 'test/tokens/compact.test.ts';
const verify = 'src/tokens/verify.ts';
const compact = 'src/tokens/compact.ts';
const mint = 'src/tokens/mint.ts';

function compactFault(name: string, promise: string, find: string, replace: string, test: string): Defence {
  return { name: `tokens.${name}`, promise, file: compact, find, replace, test: [COMPACT, `refused: ${test}`] };
}

export const tokens: Defence[] = [
  ...provenBy(VERIFY, 'each claim and header is checked', [
    {
      name: 'tokens.typ',
      promise: 'one `typ` per kind of token',
      file: verify,
      find: "header['typ'] !== 'at+jwt'",
      replace: 'false',
    },
    {
      name: 'tokens.issuer',
      promise: 'a token of another issuer is never accepted',
      file: verify,
      find: 'iss !== issuerUrl',
      replace: 'false',
    },
    {
      name: 'tokens.audience',
      promise: 'a token of another audience is never accepted',
      file: verify,
      find: '!accepts(aud)',
      replace: 'false',
    },
    {
      name: 'tokens.one-audience',
      promise: 'one audience, a string',
      file: verify,
      find: "typeof aud !== 'string'",
      replace: 'false',
    },
    {
      name: 'tokens.client-id',
      promise: 'client_id is the subject',
      file: verify,
      find: 'client_id !== sub',
      replace: 'false',
    },
    {
      name: 'tokens.jti',
      promise: 'required claims are required',
      file: verify,
      find: "typeof jti !== 'string'",
      replace: 'false',
    },
    {
      name: 'tokens.maximum-age',
      promise: 'a maximum age per kind of token',
      file: verify,
      find: 'expiresAt - issuedAt > LONGEST_LIFE_SECONDS',
      replace: 'false',
    },
    {
      name: 'tokens.future',
      promise: 'a token from the future is refused',
      file: verify,
      find: 'issuedAt > now + TOLERANCE_SECONDS',
      replace: 'false',
    },
    {
      name: 'tokens.kid',
      promise: '`kid` is looked up in memory only, and only among our own',
      file: verify,
      find: 'candidate.kid === kid',
      replace: 'true',
    },
  ]),
  ...provenBy(VERIFY, 'another key, another algorithm, another kind', [
    {
      name: 'tokens.signature',
      promise: 'the signature is verified',
      file: verify,
      find: "!(await verifies(token, key, 'ES256'))",
      replace: 'false',
    },
    {
      name: 'tokens.algorithm',
      promise: 'one algorithm list per kind of token',
      file: verify,
      find: "header['alg'] !== 'ES256'",
      replace: 'false',
    },
  ]),
  ...provenBy(
    VERIFY,
    'a signature that was verified once is remembered for the very same token, and a wrong one is not',
    [
      {
        name: 'tokens.remembered',
        promise: 'a remembered signature is of the whole token',
        file: verify,
        find: "hash('sha256', token,",
        replace: "hash('sha256', token.slice(0, token.lastIndexOf('.')),",
      },
    ],
  ),
  ...provenBy(VERIFY, 'what we mint verifies, until it expires', [
    {
      name: 'tokens.expiry',
      promise: 'an expired token is refused',
      file: verify,
      find: 'expiresAt <= now',
      replace: 'false',
    },
  ]),
  {
    name: 'tokens.time',
    promise: "no clock of one machine makes a token live longer: the time is the database's",
    file: verify,
    find: 'const now = view.now() / 1000;',
    replace: 'const now = Date.now() / 1000;',
    test: [VERIFY, 'a wall clock that is set back or ahead makes no token live longer, nor shorter'],
  },
  ...provenBy(VERIFY, 'a key verifies until its removal, a revoked one not at all', [
    {
      name: 'tokens.published-keys',
      promise: 'a removed key verifies nothing, a revoked one neither',
      file: verify,
      find: 'publishedKeys(ring.keys, view.now())',
      replace: 'ring.keys',
    },
  ]),
  ...provenBy(VERIFY, 'audiences', [
    {
      name: 'tokens.reserved-issuer',
      promise: "the issuer's and the token endpoint's own audiences cannot be minted",
      file: 'src/tokens/audiences.ts',
      find: 'bare === host ||',
      replace: '',
    },
    {
      name: 'tokens.reserved-clouds',
      promise: "the clouds' own audiences cannot be minted",
      file: 'src/tokens/audiences.ts',
      find: 'return CLOUDS.some((pattern) => pattern.test(folded));',
      replace: 'return false;',
    },
    {
      name: 'tokens.audience-prefix',
      promise: 'an audience stands under this very issuer',
      file: 'src/tokens/audiences.ts',
      find: 'match && audience.startsWith(issuerUrl)',
      replace: 'match',
    },
  ]),
  compactFault(
    'size',
    'the compact form is checked before any cryptography: size',
    'token.length > maxLength',
    'false',
    'too long',
  ),
  compactFault(
    'three-parts',
    'three parts of the alphabet',
    '[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$',
    '.*',
    'two parts',
  ),
  compactFault(
    'canonical-parts',
    'canonical base64url',
    "bytes.toString('base64url') !== part",
    'false',
    'another spelling of its payload',
  ),
  compactFault(
    'canonical-signature',
    'canonical base64url',
    "Buffer.from(signature, 'base64url').toString('base64url') !== signature",
    'false',
    'not canonical base64url',
  ),
  compactFault(
    'strict-json',
    'no duplicate members',
    'parseStrictJson(utf8.decode(bytes))',
    'JSON.parse(bytes.toString())',
    'duplicate claims',
  ),
  compactFault(
    'objects',
    'header and payload are objects',
    "typeof value !== 'object' || value === null || Array.isArray(value)",
    'false',
    'an array',
  ),
  compactFault(
    'header-keys',
    'header keys and URLs and `crit` are refused',
    'Object.hasOwn(compact.header, name)',
    'false',
    'header jku',
  ),
  ...provenBy('test/tokens/mint.test.ts', 'a new issuer signs, however many unknown ones strangers ask for', [
    {
      name: 'tokens.new-issuer',
      promise: 'strangers who ask for unknown issuers keep no new connection from signing',
      file: mint,
      find: 'await view.learn(issuer)',
      replace: 'await view.load(issuer)',
    },
    {
      name: 'tokens.new-issuer-canary',
      promise: 'nor any from being proved',
      file: 'src/tokens/canary.ts',
      find: 'await view.learn(issuer)',
      replace: 'await view.load(issuer)',
    },
  ]),
  ...provenBy('test/tokens/mint.test.ts', 'a web identity token', [
    {
      name: 'tokens.web-identity-audience',
      promise: 'a web identity token is for STS alone',
      file: mint,
      find: "aud: 'sts.amazonaws.com',",
      replace: "aud: ['sts.amazonaws.com'],",
    },
    {
      name: 'tokens.web-identity-life',
      promise: 'a web identity token lives 120 s at most',
      file: mint,
      find: 'lifeSeconds: 120 }',
      replace: 'lifeSeconds: 119.5 }',
    },
    {
      name: 'tokens.web-identity-role',
      promise: 'a web identity token names its role',
      file: mint,
      find: "'https://aws.amazon.com/roles': [roleArn],",
      replace: '',
    },
  ]),
  ...provenBy('test/tokens/signature.test.ts', 'what is signed does not wait for all tokens that came before it', [
    {
      name: 'tokens.in-turn',
      promise: 'a flood of tokens that were not seen before holds up nobody who has proved who he is',
      file: 'src/tokens/signature.ts',
      find: 'pLimit(8)',
      replace: 'pLimit(1000)',
    },
  ]),
];
