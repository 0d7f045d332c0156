// Discovery and JWKS of every issuer, rendered from memory: no database on the way, no access-log line, no limit.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { Problem, unavailable } from '../errors.ts';
import { idPattern } from '../ids.ts';
import { maxAgeSeconds } from '../keys/policy.ts';
import type { Ring } from '../keys/facts.ts';
import type { RingView } from '../keys/view.ts';
import { DOCUMENT_PATHS, type IssuerUrls, PLATFORM } from './documents.ts';
import { answerPlainRequests } from './plain-request.ts';
import { createRenderedDocuments, type Rendered } from './rendered.ts';

export interface IssuerRoutesDeps {
  urls: IssuerUrls;
  view: RingView;
}

const IssuerParams = Type.Object({ issuer: Type.String({ pattern: idPattern('is') }) });
type IssuerRequest = FastifyRequest<{ Params: { issuer: string } }>;

const DISCOVERY = DOCUMENT_PATHS.discovery;
const PATHS = /^(?:\/c\/(is_[a-z2-7]{26}))?(\/jwks|\/\.well-known\/openid-configuration)$/;

function send(request: FastifyRequest, reply: FastifyReply, { body, etag }: Rendered, maxAge: number): FastifyReply {
  reply.header('cache-control', `public, max-age=${maxAge}`);
  reply.header('etag', etag);
  reply.header('access-control-allow-origin', '*');
  const known = request.headers['if-none-match'];
  if (
    known !== undefined &&
    (known === '*' || known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag))
  ) {
    return reply.code(304).send();
  }
  return reply.header('content-type', 'application/json').send(body);
}

/**
 * @param which `platform` for the internal listener; `all` for the public one, where strangers look
 * @param hosts Host header values served by this listener
 */
export function registerIssuerRoutes(
  server: FastifyInstance,
  { urls, view }: IssuerRoutesDeps,
  which: 'platform' | 'all',
  hosts: ReadonlySet<string>,
): void {
  const documents = createRenderedDocuments(urls);

  async function findRings(issuer: string): Promise<readonly Ring[]> {
    if (!view.mayServe()) throw unavailable('The view of the signing keys is too old to be served.');
    const rings = view.find(issuer) ?? (await view.load(issuer));
    if (!rings)
      throw new Problem('not_found', 'There is no such issuer.', {
        hint: 'The path is that of a connection: /c/<its issuer id>.',
      });
    return rings;
  }

  answerPlainRequests(server, {
    hosts,
    find: (path) => {
      const [, issuer, name] = PATHS.exec(path) ?? [];
      if (name === undefined || (issuer !== undefined && which === 'platform')) return undefined;
      const rings = view.mayServe() ? view.find(issuer ?? PLATFORM) : undefined;
      if (!rings) return undefined;
      const document =
        name === DISCOVERY
          ? documents.discovery(issuer ?? PLATFORM)
          : documents.jwks(issuer ?? PLATFORM, rings, view.now());
      return { document, maxAge: maxAgeSeconds(view.policy()) };
    },
  });

  const common = { logLevel: 'silent' as const, config: { answersAlone: true } };

  server.get(
    DISCOVERY,
    {
      ...common,
      schema: { operationId: 'getDiscovery', summary: "The platform issuer's discovery document", tags: ['issuers'] },
    },
    (request, reply) => send(request, reply, documents.discovery(PLATFORM), maxAgeSeconds(view.policy())),
  );

  server.get(
    '/jwks',
    { ...common, schema: { operationId: 'getJwks', summary: "The platform issuer's JWKS", tags: ['issuers'] } },
    async (request, reply) =>
      send(
        request,
        reply,
        documents.jwks(PLATFORM, await findRings(PLATFORM), view.now()),
        maxAgeSeconds(view.policy()),
      ),
  );

  if (which === 'platform') return;

  server.get(
    `/c/:issuer${DISCOVERY}`,
    {
      ...common,
      schema: {
        operationId: 'getConnectionDiscovery',
        summary: "A connection issuer's discovery document",
        tags: ['issuers'],
        params: IssuerParams,
      },
    },
    async (request: IssuerRequest, reply) => {
      await findRings(request.params.issuer);
      return send(request, reply, documents.discovery(request.params.issuer), maxAgeSeconds(view.policy()));
    },
  );

  server.get(
    '/c/:issuer/jwks',
    {
      ...common,
      schema: {
        operationId: 'getConnectionJwks',
        summary: "A connection issuer's JWKS",
        tags: ['issuers'],
        params: IssuerParams,
      },
    },
    async (request: IssuerRequest, reply) => {
      const { issuer } = request.params;
      return send(
        request,
        reply,
        documents.jwks(issuer, await findRings(issuer), view.now()),
        maxAgeSeconds(view.policy()),
      );
    },
  );
}
