// Clients that ask for tokens, and their assertions (RFC 7523), signed before anything is measured.
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import type { Db } from '../src/db/connect.ts';
import { createId } from '../src/ids.ts';
import { buildRequest } from './load.ts';
import { thumbprint } from '../src/keys/algorithms.ts';

export interface BenchClient {
  /** `wl_…` */
  id: string;
  kid: string;
  privateKey: KeyObject;
  /** Public, with kid and alg. */
  jwk: Record<string, string>;
}

export function createClient(): BenchClient {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y } = publicKey.export({ format: 'jwk' }) as { x: string; y: string };
  const jwk = { kty: 'EC', crv: 'P-256', x, y } as const;
  const kid = thumbprint(jwk);
  return { id: createId('wl'), kid, privateKey, jwk: { ...jwk, kid, alg: 'ES256' } };
}

/** Registers clients as workloads, as the API would store them. */
export async function insertClients(db: Db, clients: readonly BenchClient[]): Promise<void> {
  const created_at = new Date().toISOString();
  const rows = clients.map(({ id, jwk }, index) => ({
    ...{ id, slug: `bench-${index}`, state: 'active' as const, scopes: [], audiences: [] },
    jwks: JSON.stringify({ keys: [{ ...jwk, created_at }] }),
  }));
  await db.insertInto('workloads').values(rows).execute();
}

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/** ES256, a jti of its own, dead in four minutes and a half. */
export function signAssertion(client: BenchClient, audience: string): string {
  return signPlatformToken(client, { iss: client.id, sub: client.id, aud: audience });
}

/** The same, of whatever it says. */
export function signPlatformToken({ kid, privateKey }: BenchClient, claims: object): string {
  const iat = Math.floor(Date.now() / 1000);
  const payload = { ...claims, iat, exp: iat + 270, jti: randomUUID() };
  const data = `${encode({ alg: 'ES256', typ: 'JWT', kid })}.${encode(payload)}`;
  return `${data}.${sign('sha256', Buffer.from(data), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

export interface TokenEndpoint {
  /** Of the endpoint. */
  url: string;
  issuerUrl: string;
  resource: string;
}

export function buildTokenRequest(client: BenchClient, { url, issuerUrl, resource }: TokenEndpoint): Buffer {
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: signAssertion(client, issuerUrl),
    resource,
  });
  return buildRequest(url, 'POST', { 'content-type': 'application/x-www-form-urlencoded' }, form.toString());
}
