// POST /oauth2/token: the strict check of the request and of who sends it, then oidc-provider on what is left to decide.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type Provider from 'oidc-provider';
import type { Refusals } from '../audit/refusals.ts';
import type { Clock } from '../clock.ts';
import type { ProvesItself } from '../clients/proof.ts';
import { Problem } from '../errors.ts';
import { toProblem } from '../http/problems.ts';
import { type Limits, limitStrangers, RateLimited } from '../http/rates.ts';
import { type Assertion, AssertionFault, readAssertion } from './assertion.ts';
import type { Clients } from './clients.ts';
import { countFault, type TokenCount } from './counted.ts';
import { attachRequest } from './request.ts';

export interface OAuthRoutesDeps {
  issuerUrl: string;
  provider: Provider;
  clients: Clients;
  provesItself: ProvesItself;
  clock: Clock;
  count: TokenCount;
  refusals: Pick<Refusals, 'record'>;
  limits: Limits;
}

const FORM = 'application/x-www-form-urlencoded';
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const PARAMETERS = new Set([
  'grant_type',
  'client_id',
  'client_assertion',
  'client_assertion_type',
  'resource',
  'scope',
]);

class TokenRequestFault extends Error {
  readonly status: number;
  readonly error: string;

  constructor(status: number, error: string, description: string) {
    super(description);
    this.status = status;
    this.error = error;
  }
}

function fault(description: string): TokenRequestFault {
  return new TokenRequestFault(400, 'invalid_request', description);
}

/** RFC 6749, section 3.2: no parameter twice; here also none that is not known. */
function readForm(body: string): Map<string, string> {
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(body)) {
    if (!PARAMETERS.has(name)) throw fault(`unknown parameter: ${name.slice(0, 40).replace(/[^\x20-\x7e]/g, '?')}`);
    if (form.has(name)) throw fault(`${name} came more than once`);
    form.set(name, value);
  }
  return form;
}

function readRequest(
  request: FastifyRequest,
  { issuerUrl, clock }: OAuthRoutesDeps,
): { form: Map<string, string>; assertion: Assertion } {
  if (request.headers.authorization !== undefined)
    throw fault('authenticate with client_assertion alone: there are no client secrets here');
  const form = readForm(request.body as string);
  if (form.get('grant_type') !== 'client_credentials')
    throw new TokenRequestFault(400, 'unsupported_grant_type', 'grant_type must be client_credentials');
  if (form.get('client_assertion_type') !== JWT_BEARER) throw fault(`client_assertion_type must be ${JWT_BEARER}`);
  if (!form.get('resource'))
    throw new TokenRequestFault(
      400,
      'invalid_target',
      "resource is required: the audience of the token, e.g. a connection's credentials URL",
    );
  try {
    const assertion = readAssertion(form.get('client_assertion') ?? '', issuerUrl, clock);
    const clientId = form.get('client_id');
    if (clientId !== undefined && clientId !== assertion.clientId)
      throw fault("client_id and the client assertion's sub differ");
    return { form, assertion };
  } catch (error) {
    if (error instanceof AssertionFault) throw new TokenRequestFault(401, 'invalid_client', error.message);
    throw error;
  }
}

function sendFault(reply: FastifyReply, error: TokenRequestFault): FastifyReply {
  return reply
    .code(error.status)
    .header('cache-control', 'no-store')
    .send({ error: error.error, error_description: error.message });
}

/** RFC 6749 errors for this endpoint, whatever went wrong before it. */
function toFault(error: unknown): TokenRequestFault {
  if (error instanceof TokenRequestFault) return error;
  const problem = toProblem(error);
  if (problem.code === 'rate_limited')
    return new TokenRequestFault(429, 'rate_limited', `${problem.message} ${problem.options.hint}`);
  if (problem.status === 415) return new TokenRequestFault(415, 'invalid_request', `The content type must be ${FORM}.`);
  const name =
    problem.status >= 500 ? (problem.status === 503 ? 'temporarily_unavailable' : 'server_error') : 'invalid_request';
  return new TokenRequestFault(problem.status, name, [problem.message, problem.options.hint].filter(Boolean).join(' '));
}

/** A client that asks too often is known: its refusal is on record before it hears, or it hears that nothing could be. */
async function recordBusy(error: unknown, { refusals }: OAuthRoutesDeps): Promise<unknown> {
  if (!(error instanceof RateLimited) || error.bearer === undefined) return error;
  const workload = error.bearer.startsWith('wl_') ? error.bearer : undefined;
  return await refusals
    .record({ kind: 'token.refused', actor: error.bearer, workload, code: error.code })
    .then(() => error)
    .catch((unrecorded: unknown) => unrecorded);
}

const TokenResponse = Type.Object({
  access_token: Type.String(),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'seconds' }),
  scope: Type.Optional(Type.String()),
});

const OAuthErrorResponse = Type.Object({ error: Type.String(), error_description: Type.Optional(Type.String()) });

export function registerOAuthRoutes(server: FastifyInstance, deps: OAuthRoutesDeps): void {
  const { provider, clients, provesItself, clock } = deps;
  const callback = provider.callback();

  void server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(FORM, { parseAs: 'string' }, (_request, body, done) => done(null, body));
    // Whom oidc-provider sees has proved who it is; until then it is a stranger's request.
    limitStrangers(scope, deps.limits, (error) => toFault(error).status < 500);
    scope.setErrorHandler(async (thrown, request, reply) => {
      const error = await recordBusy(thrown, deps);
      const refused = toFault(error);
      countFault(deps.count, refused, error instanceof RateLimited && error.bearer !== undefined);
      if (error instanceof RateLimited) reply.header('retry-after', String(error.options.retryAfter));
      if (refused.status >= 500) {
        request.log.error({ err: error }, 'token request failed');
        reply.header('retry-after', '1');
      }
      return sendFault(reply, refused);
    });

    scope.post(
      '/oauth2/token',
      {
        config: { ownDeadlines: true },
        schema: {
          operationId: 'createToken',
          summary: 'A workload token: client_credentials with private_key_jwt and a resource',
          tags: ['tokens'],
          consumes: [FORM],
          response: { 200: TokenResponse, '4xx': OAuthErrorResponse, '5xx': OAuthErrorResponse },
        },
      },
      async (request, reply) => {
        if (typeof request.body !== 'string') throw new Problem('unsupported_media_type', 'There is no body.');
        const { form, assertion } = readRequest(request, deps);
        const { algorithm, kid } = assertion;
        // What is remembered may only say yes: a key that it lacks may have been added elsewhere a moment ago.
        const client = await clients.find(
          assertion.clientId,
          (row) =>
            row.seal === undefined &&
            row.state === 'active' &&
            kid !== undefined &&
            row.jwks.keys.some((key) => key['kid'] === kid),
        );
        const signed = { token: form.get('client_assertion') as string, algorithm, kid };
        if (!(await provesItself(client, signed, clock.wall())) || !client)
          throw new TokenRequestFault(401, 'invalid_client', 'client authentication failed');
        deps.limits.count(client.id);
        const scope = form.get('scope');
        attachRequest(request.raw, {
          ...{ id: request.id, assertion, client, requestedScopes: scope?.split(' ').filter(Boolean) },
        });
        // oidc-provider reads the body off the request, which has been read: it gets what it still has to decide on.
        const { id: client_id } = client;
        const decidable = { grant_type: 'client_credentials', client_id, resource: form.get('resource') as string };
        const body = Buffer.from(new URLSearchParams(scope ? { ...decidable, scope } : decidable).toString());
        Object.defineProperty(request.raw, 'readable', { value: true });
        Object.assign(request.raw, { iterator: () => [body] });
        request.raw.headers['content-length'] = String(body.length);
        // An answer in HTML for a browser's Accept is of no use to anybody here.
        request.raw.headers.accept = 'application/json';
        reply.hijack();
        reply.raw.setHeader('x-request-id', request.id);
        await callback(request.raw, reply.raw);
      },
    );
  });
}
