// POST /oauth2/token: the strict check of the request and of who sends it, then oidc-provider on what is left to decide.
import type { FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type Provider from 'oidc-provider';
import type { Refusals } from '../audit/refusals.ts';
import { Problem } from '../errors.ts';
import { toProblem } from '../http/problems.ts';
import { type Limits, limitStrangers, RateLimited } from '../http/rates.ts';
import type { Compact } from '../tokens/compact.ts';
import { ProofRefused } from '../trusted-issuers/refused.ts';
import type { Shown } from '../trusted-issuers/verify.ts';
import { type Assertion, AssertionFault, isOfAnotherIssuer, openAssertion, readAssertion } from './assertion.ts';
import { countFault, type TokenCount } from './counted.ts';
import { type FederatedDeps, proveByIssuer } from './federated.ts';
import { type OwnKeyDeps, proveByOwnKey } from './own-key.ts';
import { attachRequest, type Proof } from './request.ts';
import type { ClientRow } from './store.ts';

export interface OAuthRoutesDeps extends OwnKeyDeps, FederatedDeps {
  provider: Provider;
  count: TokenCount;
  refusals: Pick<Refusals, 'record'>;
  limits: Limits;
}

const FORM = 'application/x-www-form-urlencoded';
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const OF_CREDENTIALS = ['client_assertion', 'client_assertion_type'];
const OF_EXCHANGE = ['subject_token', 'subject_token_type', 'requested_token_type'];
const PARAMETERS = new Set(['grant_type', 'client_id', 'resource', 'scope', ...OF_CREDENTIALS, ...OF_EXCHANGE]);
const TYPES = 'urn:ietf:params:oauth:token-type:';
/** By what a subject token is said to be, it is a platform's of a workload, or of a person who signed in. */
const SUBJECT_TYPES = new Map<string, Shown>([
  [`${TYPES}jwt`, 'platform'],
  [`${TYPES}id_token`, 'person'],
]);
const ISSUED_TYPES = new Set([`${TYPES}access_token`, `${TYPES}jwt`]);

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

/** Which of the two grants, with everything that it needs and nothing that is the other's. */
function readGrant(form: Map<string, string>): 'client_credentials' | 'token_exchange' {
  const grant = form.get('grant_type');
  if (grant !== 'client_credentials' && grant !== TOKEN_EXCHANGE)
    throw new TokenRequestFault(
      400,
      'unsupported_grant_type',
      `grant_type must be client_credentials or ${TOKEN_EXCHANGE}`,
    );
  const exchange = grant === TOKEN_EXCHANGE;
  const foreign = (exchange ? OF_CREDENTIALS : OF_EXCHANGE).find((name) => form.has(name));
  if (foreign) throw fault(`${foreign} does not go with this grant_type: a client proves itself in one way`);
  if (!exchange && form.get('client_assertion_type') !== JWT_BEARER)
    throw fault(`client_assertion_type must be ${JWT_BEARER}`);
  const type = form.get('subject_token_type') ?? '';
  if (exchange && !SUBJECT_TYPES.has(type))
    throw fault(`subject_token_type must be ${[...SUBJECT_TYPES.keys()].join(' or ')}`);
  const wanted = form.get('requested_token_type');
  if (wanted !== undefined && !ISSUED_TYPES.has(wanted))
    throw fault(`requested_token_type must be ${[...ISSUED_TYPES].join(' or ')}`);
  if (!form.get('resource'))
    throw new TokenRequestFault(
      400,
      'invalid_target',
      "resource is required: the audience of the token, e.g. a connection's credentials URL",
    );
  return exchange ? 'token_exchange' : 'client_credentials';
}

/** An assertion by a key of the client's own, or the parts of one that a platform made. */
function readClientAssertion(
  form: Map<string, string>,
  { issuerUrl, clock }: OAuthRoutesDeps,
): { own: Assertion } | { platform: Compact } {
  try {
    const token = form.get('client_assertion') ?? '';
    const compact = openAssertion(token);
    if (isOfAnotherIssuer(compact)) return { platform: compact };
    const own = readAssertion(token, issuerUrl, clock, compact);
    const clientId = form.get('client_id');
    if (clientId !== undefined && clientId !== own.clientId)
      throw fault("client_id and the client assertion's sub differ");
    return { own };
  } catch (error) {
    if (error instanceof AssertionFault) throw new TokenRequestFault(401, 'invalid_client', error.message);
    throw error;
  }
}

/** RFC 7523 says invalid_client, RFC 8693 invalid_request, of a token that proves nothing. */
async function authenticate(
  form: Map<string, string>,
  deps: OAuthRoutesDeps,
): Promise<{ client: ClientRow; proof: Proof; exchanged: boolean }> {
  const exchanged = readGrant(form) === 'token_exchange';
  const token = form.get(exchanged ? 'subject_token' : 'client_assertion') ?? '';
  const read = exchanged ? { platform: undefined } : readClientAssertion(form, deps);
  if ('own' in read) {
    const found = await proveByOwnKey(deps, token, read.own);
    if (!found) throw new TokenRequestFault(401, 'invalid_client', 'client authentication failed');
    return { ...found, exchanged };
  }
  if (!exchanged && !form.get('client_id'))
    throw fault("client_id is required beside a platform's token: the id of the workload");
  const shown = (exchanged && SUBJECT_TYPES.get(form.get('subject_token_type') ?? '')) || 'platform';
  try {
    const [clientId, resource] = [form.get('client_id'), form.get('resource') ?? ''];
    return { ...(await proveByIssuer(deps, { token, shown, clientId, resource, compact: read.platform })), exchanged };
  } catch (error) {
    if (!(error instanceof ProofRefused)) throw error;
    if (exchanged) throw fault(`the subject token was refused: ${error.message}`);
    throw new TokenRequestFault(401, 'invalid_client', `the client assertion was refused: ${error.message}`);
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
  issued_token_type: Type.Optional(Type.String({ description: 'of a token exchange' })),
});

const OAuthErrorResponse = Type.Object({ error: Type.String(), error_description: Type.Optional(Type.String()) });

export function registerOAuthRoutes(server: FastifyInstance, deps: OAuthRoutesDeps): void {
  const { provider } = deps;
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
          summary: 'A workload token: client_credentials with a client assertion, or an exchange, for a resource',
          tags: ['tokens'],
          consumes: [FORM],
          response: { 200: TokenResponse, '4xx': OAuthErrorResponse, '5xx': OAuthErrorResponse },
        },
      },
      async (request, reply) => {
        if (typeof request.body !== 'string') throw new Problem('unsupported_media_type', 'There is no body.');
        if (request.headers.authorization !== undefined)
          throw fault('authenticate with client_assertion alone, or a subject_token: there are no client secrets here');
        const form = readForm(request.body);
        const { client, proof, exchanged } = await authenticate(form, deps);
        deps.limits.count(client.id);
        const scope = form.get('scope');
        attachRequest(request.raw, {
          ...{ id: request.id, proof, client, exchanged },
          requestedScopes: scope?.split(' ').filter(Boolean),
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
