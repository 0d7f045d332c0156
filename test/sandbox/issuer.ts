// A stand-in issuer for the sandbox's tests: discovery, JWKS and a signing key, each of which a test may bend.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CryptoKey, JWK, JWTHeaderParameters } from 'jose';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export interface SigningKey {
  kid: string;
  alg: string;
  privateKey: CryptoKey;
  jwk: JWK;
}

export interface Issuer {
  /** What `iss` must be. */
  url: string;
  /** Host, port and path: in front of condition keys, at the end of the provider's ARN. */
  hostAndPath: string;
  /** Served as they are; a test may change them. */
  discovery: Record<string, unknown>;
  jwks: { keys: unknown[] };
  headers: Record<string, string>;
  /** Called before an answer; a test may wait or fail here. */
  before: (path: string) => Promise<number | undefined>;
  /** Answers as an issuer at every path, not only its own. */
  everywhere: boolean;
  /** The paths asked for, in order. */
  asked: string[];
  key: SigningKey;
  close(): Promise<void>;
}

export async function generateKey(alg: string, kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const { kty, n, e, crv, x, y } = await exportJWK(publicKey);
  const members = kty === 'RSA' ? { n, e } : { crv, x, y };
  return { kid, alg, privateKey, jwk: { kty, ...members, kid, alg, use: 'sig' } as JWK };
}

const WELL_KNOWN = '/.well-known/openid-configuration';

export async function startIssuer(path = '/c/is_test'): Promise<Issuer> {
  const key = await generateKey('ES256', 'key-0');
  const documentAt = (asked: string): object | undefined => {
    if (asked === `${path.replace(/\/$/, '')}${WELL_KNOWN}`) return issuer.discovery;
    if (asked === `${path}/jwks`) return issuer.jwks;
    const other = asked.endsWith(WELL_KNOWN) && issuer.everywhere ? asked.slice(0, -WELL_KNOWN.length) : undefined;
    return other === undefined ? undefined : { ...issuer.discovery, issuer: `${url.slice(0, -path.length)}${other}` };
  };
  const server = createServer((request, response) => {
    const asked = request.url ?? '';
    issuer.asked.push(asked);
    void issuer.before(asked).then((status) => {
      const document = documentAt(asked);
      response.writeHead(status ?? (document ? 200 : 404), { 'content-type': 'application/json', ...issuer.headers });
      response.end(JSON.stringify(document ?? {}));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hostAndPath = `127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  const url = `http://${hostAndPath}`;
  const issuer: Issuer = {
    url,
    hostAndPath,
    key,
    discovery: {
      issuer: url,
      jwks_uri: `${url}/jwks`,
      claims_supported: ['aud', 'iat', 'iss', 'sub'],
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'],
    },
    jwks: { keys: [key.jwk] },
    headers: { 'cache-control': 'public, max-age=300' },
    before: async () => undefined,
    everywhere: false,
    asked: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return issuer;
}

export type Claims = Record<string, unknown>;

/** @param header members to change; undefined leaves one out */
export function sign(key: SigningKey, claims: Claims, header: Record<string, unknown> = {}): Promise<string> {
  const whole = { typ: 'JWT', alg: key.alg, kid: key.kid, ...header };
  return new SignJWT(claims)
    .setProtectedHeader(JSON.parse(JSON.stringify(whole)) as JWTHeaderParameters)
    .sign(key.privateKey);
}
