// Discovery and JWKS of every issuer, rendered from memory: no database on the way, no access-log line, no limit.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { Problem, unavailable } from '../errors.ts';
import { idPattern } from '../ids.ts';
import { maxAgeSeconds } from '../keys/policy.ts';
import type { RingView } from '../keys/view.ts';
import { discoveryDocument, entityTag, type IssuerUrls, jwksDocument, PLATFORM } from './documents.ts';

export interface IssuerRoutesDeps {
  urls: IssuerUrls;
  view: RingView;
}

interface Rendered {
  body: string;
  etag: string;
}

const IssuerParams = Type.Object({ issuer: Type.String({ pattern: idPattern('is') }) });
type IssuerRequest = FastifyRequest<{ Params: { issuer: string } }>;

const DISCOVERY = '/.well-known/openid-configuration';

function send(request: FastifyRequest, reply: FastifyReply, { body, etag }: Rendered, maxAge: number): FastifyReply {
  reply.header('cache-control', `public, max-age=${maxAge}`);
  reply.header('etag', etag);
  reply.header('access-control-allow-origin', '*');
  const known = request.headers['if-none-match'];
  if (known !== undefined && (known === '*' || known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag))) {
    return reply.code(304).send();
  }
  return reply.header('content-type', 'application/json').send(body);
}

function render(document: object): Rendered {
  const body = JSON.stringify(document);
  return { body, etag: entityTag(body) };
}

/** @param which `platform` for the internal listener; `all` for the public one, where strangers look */
export function registerIssuerRoutes(server: FastifyInstance, { urls, view }: IssuerRoutesDeps, which: 'platform' | 'all'): void {
  // A rendered JWKS stands for as long as the set of its keys does; keyed weakly on the rings of the view.
  const rendered = new WeakMap<object, { kids: string } & Rendered>();

  function renderJwks(rings: NonNullable<ReturnType<RingView['find']>>): Rendered {
    const now = view.now();
    const kept = rendered.get(rings);
    const document = jwksDocument(rings, now) as { keys: { kid: string }[] };
    const kids = document.keys.map((key) => key.kid).join();
    if (kept?.kids === kids) return kept;
    const fresh = { kids, ...render(document) };
    rendered.set(rings, fresh);
    return fresh;
  }

  async function findRings(issuer: string): Promise<NonNullable<ReturnType<RingView['find']>>> {
    if (!view.mayServe()) throw unavailable('The view of the signing keys is too old to be served.');
    const rings = view.find(issuer) ?? (await view.load(issuer));
    if (!rings) throw new Problem('not_found', 'There is no such issuer.');
    return rings;
  }

  const platform = render(discoveryDocument(urls, PLATFORM));
  const common = { logLevel: 'silent' as const };

  server.get(DISCOVERY, { ...common, schema: { operationId: 'getDiscovery', summary: "The platform issuer's discovery document", tags: ['issuers'] } }, (request, reply) =>
    send(request, reply, platform, maxAgeSeconds(view.policy())),
  );

  server.get('/jwks', { ...common, schema: { operationId: 'getJwks', summary: "The platform issuer's JWKS", tags: ['issuers'] } }, async (request, reply) =>
    send(request, reply, renderJwks(await findRings(PLATFORM)), maxAgeSeconds(view.policy())),
  );

  if (which === 'platform') return;

  server.get(
    `/c/:issuer${DISCOVERY}`,
    { ...common, schema: { operationId: 'getConnectionDiscovery', summary: "A connection issuer's discovery document", tags: ['issuers'], params: IssuerParams } },
    async (request: IssuerRequest, reply) => {
      await findRings(request.params.issuer);
      return send(request, reply, render(discoveryDocument(urls, request.params.issuer)), maxAgeSeconds(view.policy()));
    },
  );

  server.get(
    '/c/:issuer/jwks',
    { ...common, schema: { operationId: 'getConnectionJwks', summary: "A connection issuer's JWKS", tags: ['issuers'], params: IssuerParams } },
    async (request: IssuerRequest, reply) => send(request, reply, renderJwks(await findRings(request.params.issuer)), maxAgeSeconds(view.policy())),
  );
}
