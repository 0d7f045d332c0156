// What oidc-provider reads: clients, from the row that the route found; it stores nothing here.
import { generateKeyPairSync } from 'node:crypto';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { ClientRow } from './store.ts';
import { currentRequest } from './request.ts';

// An unknown client is checked against a key that nobody has: it fails as a wrong key does, and takes as long.
const decoy = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });

function toMetadata(clientId: string, row: ClientRow | undefined, now: number): AdapterPayload {
  const keys =
    row?.jwks.keys.filter((key) => typeof key['expires_at'] !== 'string' || Date.parse(key['expires_at']) > now) ?? [];
  const usable = keys.map(({ created_at: _created, expires_at: _expires, ...jwk }) => jwk);
  return {
    client_id: clientId,
    token_endpoint_auth_method: 'private_key_jwt',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    jwks: { keys: usable.length > 0 ? usable : [decoy] },
  };
}

/** The adapter for every model: only Client is ever found; replays are refused with the audit row (src/audit/stream.ts). */
export class RequestAdapter implements Adapter {
  readonly #model: string;

  constructor(model: string) {
    this.#model = model;
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    if (this.#model !== 'Client') return undefined;
    const request = currentRequest();
    return toMetadata(id, request.client?.id === id ? request.client : undefined, request.now);
  }

  async upsert(): Promise<void> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async revokeByGrantId(): Promise<void> {}
}
