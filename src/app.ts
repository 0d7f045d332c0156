// The table of contents: which routes exist, on which listener, and what each is given.
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type AdministratorDependencies, registerAdministratorRoutes } from './administrators/routes.ts';
import type { Refusals } from './audit/refusals.ts';
import { registerAuditRoutes } from './audit/routes.ts';
import { registerWhoamiRoute } from './clients/whoami.ts';
import { type ConnectionDependencies, registerConnectionRoutes } from './connections/routes.ts';
import { type CredentialsRoutesDeps, registerCredentialsRoutes } from './credentials/routes.ts';
import { type GrantDependencies, registerGrantRoutes } from './grants/routes.ts';
import type { Caller } from './http/caller.ts';
import { closeAsTheyIdle } from './http/closing.ts';
import { FOR_STRANGERS, type Readiness, registerHealthRoutes } from './http/health.ts';
import { type Limits, limitStrangers } from './http/rates.ts';
import { createServer, type ServerOptions } from './http/server.ts';
import { type IdentityRoutesDeps, registerIdentityRoutes } from './identities/routes.ts';
import { registerDrillRoutes } from './issuers/drill/routes.ts';
import { type IssuerRoutesDeps, registerIssuerRoutes } from './issuers/routes.ts';
import { registerSignerRoutes, type SignerRoutesDeps } from './keys/held/routes.ts';
import { registerKekRoutes } from './keys/keyring/routes.ts';
import type { KekDeps } from './keys/keyring/rotation.ts';
import { type KeyRoutesDeps, registerKeyRoutes } from './keys/routes.ts';
import { registerRunRoutes } from './keys/runs/routes.ts';
import { type MetricsRoutesDeps, registerMetricsRoute } from './metrics/routes.ts';
import { type HostSocketDeps, registerHostRoutes } from './oauth/host-socket.ts';
import { type OAuthRoutesDeps, registerOAuthRoutes } from './oauth/routes.ts';
import { type PublishingRoutesDeps, registerPublishingRoutes } from './publishing/routes.ts';
import { registerSealRoutes, type SealRoutesDeps } from './seal/routes.ts';
import { registerStatusRoutes, type StatusRoutesDeps } from './status/routes.ts';
import { isStranger } from './tokens/counted.ts';
import { recordThenRefuse } from './tokens/refused.ts';
import { registerLoginRoutes } from './trusted-issuers/login-routes.ts';
import { registerTrustedIssuerRoutes, type TrustedIssuerRoutesDeps } from './trusted-issuers/routes.ts';
import { registerWorkloadRoutes, type WorkloadDependencies } from './workloads/routes.ts';

export interface AppDeps {
  issuers: IssuerRoutesDeps;
  oauth: OAuthRoutesDeps;
  credentials: CredentialsRoutesDeps;
  workloads: WorkloadDependencies;
  trustedIssuers: TrustedIssuerRoutesDeps;
  identities: IdentityRoutesDeps;
  administrators: AdministratorDependencies;
  connections: ConnectionDependencies;
  grants: GrantDependencies;
  keys: KeyRoutesDeps;
  keks: KekDeps;
  signers: SignerRoutesDeps;
  publishing: PublishingRoutesDeps;
  status: StatusRoutesDeps;
  seal: SealRoutesDeps;
  host: HostSocketDeps;
  refusals: Refusals;
  limits: Limits;
  readiness: Readiness;
  metrics: MetricsRoutesDeps;
  authenticate(request: FastifyRequest): Promise<Caller>;
  /** Whether the API page is served: in development, with a loopback issuer. */
  apiPage: boolean;
}

export interface Listeners {
  /** Discovery and JWKS, for the internet. Undefined where the two are one. */
  public: FastifyInstance | undefined;
  internal: FastifyInstance;
  /** On the host's Unix socket. */
  host: FastifyInstance;
}

/** Everything below /v1 but the credentials endpoint: a caller first, then its scopes, then the body. */
function registerApi(server: FastifyInstance, deps: AppDeps): void {
  void server.register(async (api) => {
    api.decorateRequest('caller');
    limitStrangers(api, deps.limits, isStranger);
    api.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store');
      request.caller = await deps.authenticate(request);
    });
    api.setErrorHandler(recordThenRefuse(deps.refusals, 'call.refused', ({ caller }) => caller?.id));
    registerWhoamiRoute(api, deps.workloads);
    registerConnectionRoutes(api, deps.connections);
    registerWorkloadRoutes(api, deps.workloads);
    registerTrustedIssuerRoutes(api, deps.trustedIssuers);
    registerIdentityRoutes(api, deps.identities);
    registerAdministratorRoutes(api, deps.administrators);
    registerGrantRoutes(api, deps.grants);
    registerKeyRoutes(api, deps.keys);
    registerDrillRoutes(api, deps.keys);
    registerRunRoutes(api, deps.keys);
    registerKekRoutes(api, deps.keks);
    registerSignerRoutes(api, deps.signers);
    registerPublishingRoutes(api, deps.publishing);
    registerAuditRoutes(api, deps.keys);
    registerStatusRoutes(api, deps.status);
    registerSealRoutes(api, deps.seal);
  });
}

function registerInternal(server: FastifyInstance, deps: AppDeps): void {
  registerOAuthRoutes(server, deps.oauth);
  registerCredentialsRoutes(server, deps.credentials);
  registerLoginRoutes(server, { db: deps.trustedIssuers.db, limits: deps.limits });
  registerApi(server, deps);
}

/** The page is its own files alone: nothing inline, nothing from elsewhere, no frame around it. */
const API_PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async function describe(server: FastifyInstance, deps: AppDeps): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Countersign',
        version: '1',
        description: 'OIDC identity provider and credential broker.',
        license: { name: 'Proprietary', identifier: 'LicenseRef-Proprietary' },
      },
      servers: [{ url: deps.issuers.urls.internalUrl }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'at+jwt' } } },
      security: [{ bearer: [] }],
    },
  });
  if (!deps.apiPage) return;
  const transformStaticCSP = (): string => API_PAGE_POLICY;
  await server.register(swaggerUi, { routePrefix: '/docs', staticCSP: true, transformStaticCSP });
}

/** Builds the listeners; none of them listens yet. */
export async function buildListeners(
  deps: AppDeps,
  options: { shared: boolean; public: ServerOptions; internal: ServerOptions; host: ServerOptions },
): Promise<Listeners> {
  const internal = createServer(options.internal);
  await describe(internal, deps);
  registerIssuerRoutes(internal, deps.issuers, options.shared ? 'all' : 'platform', options.internal.hosts);
  registerHealthRoutes(internal, deps.readiness);
  registerMetricsRoute(internal, deps.metrics);
  registerInternal(internal, deps);

  let strangers: FastifyInstance | undefined;
  if (!options.shared) {
    strangers = createServer(options.public);
    registerIssuerRoutes(strangers, deps.issuers, 'all', options.public.hosts);
    registerHealthRoutes(strangers, deps.readiness, FOR_STRANGERS);
  }

  const host = createServer(options.host);
  registerHostRoutes(host, deps.host);
  for (const server of [internal, strangers, host]) if (server) closeAsTheyIdle(server);
  return { public: strangers, internal, host };
}
