// The baseline of tokens: oidc-provider alone on node:http, static clients, everything in memory, nothing recorded.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { PORT, CLIENTS = '[]' } = process.env;
const url = `http://127.0.0.1:${PORT}`;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const clients = (JSON.parse(CLIENTS) as { id: string; jwk: object }[]).map(({ id, jwk }) => ({
  client_id: id,
  token_endpoint_auth_method: 'private_key_jwt',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  jwks: { keys: [jwk] },
}));

const provider = new Provider(url, {
  clients,
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'bench' }] },
  routes: { token: '/oauth2/token' },
  clientAuthMethods: ['private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['ES256'], idTokenSigningAlgValues: ['ES256'] },
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_ctx: unknown, resource: string) => ({
        ...{ scope: '', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 900 },
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
} as ConstructorParameters<typeof Provider>[1]);

const callback = provider.callback();
createServer((request, response) => void callback(request, response)).listen(Number(PORT), '127.0.0.1', () =>
  process.stdout.write('listening\n'),
);
process.on('SIGTERM', () => process.exit(0));
