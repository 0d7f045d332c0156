// Clients as oidc-provider sees them: that of the request, which has proved who it is, and nobody else.
import type Provider from 'oidc-provider';
import type { ClientMetadata } from 'oidc-provider';
import type { TokenRequest } from './request.ts';

type Client = InstanceType<Provider['Client']>;

/**
 * All are alike to oidc-provider: they authenticate no more, and may have one grant. Each is the one client made here by
 * another id, because to make one costs as much as the rest of a token request.
 * @param currentRequest what is known of the request that is being answered; throws where it came past its route
 */
export function letProvedClientsIn(provider: Provider, currentRequest: () => Pick<TokenRequest, 'client'>): void {
  const Client = provider.Client as unknown as new (metadata: ClientMetadata) => Client;
  const proved = new Client({
    client_id: 'proved',
    token_endpoint_auth_method: 'none',
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  } as ClientMetadata);

  provider.Client.find = async (id: string): Promise<Client | undefined> =>
    currentRequest().client.id === id
      ? (Object.create(proved, { clientId: { value: id, enumerable: true } }) as Client)
      : undefined;
}
