// A company's issuer: oidc-provider as it comes, with a public native client and a confidential one, over TLS. Run by company.ts.
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import Provider, { type Configuration, type JWKS } from 'oidc-provider';

/** What company.ts sends, first and again when its keys are rotated. */
export interface CompanySettings {
  tls: { cert: string; key: string };
  jwks: JWKS;
  clients: Configuration['clients'];
  /** How long an ID token lives. */
  idTokenSeconds: number;
}

function createCompany(url: string, { jwks, clients, idTokenSeconds }: CompanySettings): Provider {
  return new Provider(url, {
    ...{ jwks, clients: clients ?? [], cookies: { keys: ['of a stand-in'] } },
    // The rest of what is said here a company says of its own too: who works there, and what lives for how long.
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: false,
    findAccount: (_ctx, sub) => ({
      accountId: sub,
      claims: () => ({ sub, email: `${sub}@acme.example`, email_verified: true }),
    }),
    ttl: { IdToken: idTokenSeconds, ClientCredentials: 300 },
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource) => ({
          ...{ scope: '', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } },
        }),
      },
    },
  });
}

const [settings] = (await once(process, 'message')) as [CompanySettings];
let listener: ReturnType<Provider['callback']> | undefined;
const server = createServer(settings.tls, (request, response) => void listener?.(request, response));
await once(server.listen(0, '127.0.0.1'), 'listening');
const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
const open = (now: CompanySettings): void => {
  listener = createCompany(url, now).callback();
  process.send?.({ url });
};
process.on('message', open);
process.on('disconnect', () => process.exit(0));
open(settings);
