// oidc-provider, configured down to one endpoint: client_credentials for clients that have proved themselves, RFC 9068 tokens.
import { createPublicKey, type KeyObject } from 'node:crypto';
import Provider, { errors, ExternalSigningKey, type KoaContextWithOIDC } from 'oidc-provider';
import type { Clock } from '../clock.ts';
import { PLATFORM } from '../issuers/documents.ts';
import { publicJwk } from '../keys/algorithms.ts';
import type { Signer } from '../keys/signer.ts';
import { activeKey } from '../keys/timeline.ts';
import type { RingView } from '../keys/view.ts';
import { apiAudience } from '../tokens/audiences.ts';
import { EmptyAdapter } from './adapter.ts';
import { type DecideToken, TokenRefused } from './decide.ts';
import { letProvedClientsIn } from './proved-clients.ts';
import { readKid } from './kid.ts';
import { currentRequest, requestOf, type TokenRequest } from './request.ts';

export interface ProviderDeps {
  issuerUrl: string;
  view: RingView;
  signer: Signer;
  decideToken: DecideToken;
  /** Sees what was revoked before this policy epoch; never throws. */
  catchUp(epoch: number): Promise<void>;
  clock: Clock;
  /** Runs around the endpoint, and records before the body leaves. */
  record(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void>;
}

const TOKEN_LIFE_SECONDS = 900;

/** The platform's ring as one key: which one signs is read at the moment of signing, so a rotation needs no new provider. */
class RingSigningKey extends ExternalSigningKey {
  readonly #view: RingView;
  readonly #signer: Signer;

  constructor(view: RingView, signer: Signer) {
    super();
    this.#view = view;
    this.#signer = signer;
  }

  #active() {
    const key = this.#view.find(PLATFORM)?.flatMap((ring) => activeKey(ring.keys, this.#view.now()) ?? [])[0];
    if (!key) throw new Error('the platform has no key that signs');
    return key;
  }

  override get kid(): string {
    return this.#active().kid;
  }

  override get alg(): 'ES256' {
    return 'ES256';
  }

  override keyObject(): KeyObject {
    return createPublicKey({ key: publicJwk('ES256', this.#active().public), format: 'jwk' });
  }

  override async sign(data: Uint8Array): Promise<Uint8Array> {
    this.#view.assertMaySign();
    // The header is part of the data: the key that it names signs, though a rotation came between.
    const token = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    return this.#signer.sign(readKid(token.toString('latin1', 0, token.indexOf('.'))), data);
  }
}

/** A token ends with its proof, or what its client may outlive that by. */
function lifeOf({ proof }: TokenRequest, clock: Clock): number {
  return Math.min(TOKEN_LIFE_SECONDS, Math.max(1, Math.floor(proof.endsAt - clock.wall() / 1000)));
}

export function createProvider({
  issuerUrl,
  view,
  signer,
  decideToken,
  catchUp,
  clock,
  record,
}: ProviderDeps): Provider {
  const provider = new Provider(issuerUrl, {
    adapter: EmptyAdapter,
    jwks: { keys: [new RingSigningKey(view, signer)] },
    routes: { token: '/oauth2/token' },
    // Whoever comes here has proved who it is (routes.ts).
    clientAuthMethods: ['none'],
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clientBasedCORS: () => false,
    scopes: [],
    responseTypes: [],
    // Of people, and for our own records: no other service is told more than which client it is.
    extraTokenClaims: (ctx: KoaContextWithOIDC) => {
      const { proof, decision } = requestOf(ctx);
      const { identity } = proof.details;
      return identity !== undefined && decision?.audience === apiAudience(issuerUrl)
        ? { as: proof.as, identity }
        : undefined;
    },
    ttl: { ClientCredentials: (ctx: KoaContextWithOIDC) => lifeOf(requestOf(ctx), clock) },
    cookies: { keys: ['no cookie is ever set'] },
    features: {
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => {
          throw new errors.InvalidTarget('resource is required: the audience of the token');
        },
        getResourceServerInfo: async (ctx: KoaContextWithOIDC, resource: string) => {
          const request = requestOf(ctx);
          if (request.decision) throw new errors.InvalidTarget('only one resource is supported');
          try {
            request.decision = await decideToken(request.client, resource, request.requestedScopes);
            await catchUp(request.client.epoch);
          } catch (error) {
            if (!(error instanceof TokenRefused)) throw error;
            if (error.error === 'invalid_scope') throw new errors.InvalidScope(error.message, '');
            if (error.error === 'unauthorized_client') throw new errors.UnauthorizedClient(error.message);
            throw new errors.InvalidTarget(error.message);
          }
          const scope = request.decision.scopes.join(' ');
          if (ctx.oidc.params) ctx.oidc.params['scope'] = scope || undefined;
          return {
            scope,
            audience: resource,
            accessTokenFormat: 'jwt',
            accessTokenTTL: lifeOf(request, clock),
            jwt: { sign: { alg: 'ES256' } },
          };
        },
      },
    },
  } as ConstructorParameters<typeof Provider>[1]);
  letProvedClientsIn(provider, currentRequest);
  provider.use((ctx, next) => record(ctx as KoaContextWithOIDC, next as () => Promise<void>));
  provider.on('server_error', (ctx, error) => {
    requestOf(ctx as KoaContextWithOIDC).failure = error;
  });
  return provider;
}
