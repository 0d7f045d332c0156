// A stand-in for a platform that issues tokens: a server of its own, keys that rotate, and every way to misbehave.
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import type { Test } from 'tap';
import { keepPrivateKey, keepShown } from './known-secrets.ts';

export type StandInAlgorithm = 'RS256' | 'ES256' | 'ES384';

export interface StandInKey {
  kid: string;
  alg: StandInAlgorithm;
  privateKey: KeyObject;
  jwk: Record<string, unknown>;
}

let made = 0;

export function createStandInKey(alg: StandInAlgorithm, kid = `key-${(made += 1)}`): StandInKey {
  const { privateKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : 'P-384' });
  keepPrivateKey('the private key of a stand-in issuer', privateKey);
  const jwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, alg, use: 'sig' };
  return { kid, alg, privateKey, jwk };
}

export interface StandIn {
  /** Its `iss`. */
  url: string;
  /** What it publishes; the last one signs. */
  keys: StandInKey[];
  /** Paths in the order they were asked for. */
  asked: string[];
  /** Answers in its place, where set. */
  misbehave: RequestListener | undefined;
  /** A token as this platform makes them; `claims` and `header` replace what is right, undefined leaves out. */
  sign(claims: Record<string, unknown>, header?: Record<string, unknown>, key?: StandInKey): Promise<string>;
}

/** Whole seconds since the epoch. */
export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

export async function signAs(
  key: StandInKey,
  payload: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  const signed = await new SignJWT(payload)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header } as { alg: string })
    .sign(key.privateKey);
  keepShown('of a platform', signed);
  return signed;
}

export async function startStandIn(t: Test, alg: StandInAlgorithm = 'RS256'): Promise<StandIn> {
  const standIn: StandIn = {
    ...{ url: '', keys: [createStandInKey(alg)], asked: [], misbehave: undefined },
    sign: (claims, header, key = standIn.keys.at(-1) as StandInKey) => {
      const now = nowSeconds();
      return signAs(key, { iss: standIn.url, iat: now, nbf: now, exp: now + 300, ...claims }, header);
    },
  };
  const server = createServer((request, response) => {
    standIn.asked.push(request.url as string);
    if (standIn.misbehave) return standIn.misbehave(request, response) as undefined;
    const document =
      request.url === '/jwks'
        ? { keys: standIn.keys.map(({ jwk }) => jwk) }
        : { issuer: standIn.url, jwks_uri: `${standIn.url}/jwks` };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(document));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  standIn.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return standIn;
}
