// Clients as oidc-provider holds them, made from the row that the route found, and kept while their keys stay the same.
import { generateKeyPairSync } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type Provider from 'oidc-provider';
import type { ClientMetadata } from 'oidc-provider';
import type { TokenRequest } from './request.ts';
import type { ClientRow } from './store.ts';

type Client = InstanceType<Provider['Client']>;

interface Kept {
  row: ClientRow;
  /** The usable keys, as text. */
  text: string;
  /** When the first of them expires; milliseconds since the epoch. */
  until: number;
  client: Client;
}

/** By itself oidc-provider keeps a hundred, and to make one costs as much as the rest of a token request. */
const KEPT = 10_000;

function usableKeys(row: ClientRow, now: number): { keys: object[]; until: number } {
  const expiries = row.jwks.keys.map(({ expires_at }) =>
    typeof expires_at === 'string' ? Date.parse(expires_at) : Number.POSITIVE_INFINITY,
  );
  const keys = row.jwks.keys
    .filter((_, index) => (expiries[index] as number) > now)
    .map(({ created_at: _created, expires_at: _expires, ...jwk }) => jwk);
  return { keys, until: Math.min(...expiries.filter((expiry) => expiry > now)) };
}

/**
 * Has the provider find its clients here: that of the request's row, and no other.
 * @param currentRequest what is known of the request that is being answered
 */
export function keepClients(provider: Provider, currentRequest: () => Pick<TokenRequest, 'client' | 'now'>): void {
  const Client = provider.Client as unknown as new (metadata: ClientMetadata) => Client;
  const kept = new LRUCache<string, Kept>({ max: KEPT });
  const nobodys = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });

  function make(clientId: string, keys: object[]): Client {
    return new Client({
      client_id: clientId,
      token_endpoint_auth_method: 'private_key_jwt',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      jwks: { keys: keys.length > 0 ? keys : [nobodys] },
    } as ClientMetadata);
  }

  function clientOf(row: ClientRow, now: number): Client {
    const known = kept.get(row.id);
    if (known?.row === row && now < known.until) return known.client;
    const { keys, until } = usableKeys(row, now);
    const text = JSON.stringify(keys);
    const client = known?.text === text ? known.client : make(row.id, keys);
    kept.set(row.id, { row, text, until, client });
    return client;
  }

  // An unknown client is checked against a key that nobody has: it fails as a wrong key does, and takes as long.
  const decoy = make('decoy', []);

  provider.Client.find = async (id: string): Promise<Client | undefined> => {
    const { client: row, now } = currentRequest();
    if (row?.id === id) return clientOf(row, now);
    return Object.create(decoy, { clientId: { value: id, enumerable: true } }) as Client;
  };
}
