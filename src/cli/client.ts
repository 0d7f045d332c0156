// What `workload` and `administrator` have in common: both are clients with scopes, a state and keys of their own.
import { rmSync } from 'node:fs';
import { segment } from './api.ts';
import type { Call } from './call.ts';
import { Failure, isRefused } from './failure.ts';
import { type Algorithm, generateKeyFile, type PublicJwk } from './jwk.ts';
import { fields, type Paint, table } from './text.ts';

export type Kind = 'workload' | 'administrator';

export interface ClientKey {
  kid: string;
  alg: string;
  created_at: string;
  expires_at: string | null;
}

export interface Client {
  id: string;
  slug: string;
  description: string;
  state: string;
  scopes: string[];
  audiences?: string[];
  keys: ClientKey[];
  version: number;
  created_at: string;
  updated_at: string;
}

export const pathOf = (kind: Kind, client?: string): string =>
  `/v1/${kind}s${client === undefined ? '' : `/${segment(client)}`}`;

/** Makes a key file and sends its public half; a file whose key was refused is taken away again. */
export async function withNewKey<T>(
  { note }: Pick<Call<unknown>, 'note'>,
  file: string,
  algorithm: Algorithm,
  register: (jwk: PublicJwk) => Promise<T>,
): Promise<T> {
  const jwk = await generateKeyFile(file, algorithm);
  try {
    return await register(jwk);
  } catch (error) {
    // Without an answer of the service's own, the key may be registered.
    if (error instanceof Failure && isRefused(error)) rmSync(file);
    else note(`${file} is kept: its public half may be registered all the same.`);
    throw error;
  }
}

export function clientTable(paint: Paint, clients: readonly Client[]): string {
  return table(
    paint,
    ['ID', 'SLUG', 'STATE', 'KEYS', 'SCOPES'],
    clients.map((client) => [client.id, client.slug, client.state, client.keys.length, client.scopes]),
  );
}

export function clientFields(paint: Paint, client: Client): string {
  const { keys, version: _version, ...members } = client;
  return `${fields(paint, Object.entries(members))}\n${keyTable(paint, keys)}`;
}

export function keyTable(paint: Paint, keys: readonly ClientKey[]): string {
  return table(
    paint,
    ['KID', 'ALG', 'CREATED', 'EXPIRES'],
    keys.map((key) => [key.kid, key.alg, key.created_at, key.expires_at ?? 'never']),
  );
}
