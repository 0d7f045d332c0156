// GET and POST /v1/connections/{connection}/credentials, in the shape of the AWS container credentials protocol.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import type { Refusals } from '../audit/refusals.ts';
import { Problem } from '../errors.ts';
import { type Limits, limitStrangers } from '../http/rates.ts';
import { connectionAudience, credentialsAudience, parseAudience } from '../tokens/audiences.ts';
import { isStranger } from '../tokens/counted.ts';
import { recordThenRefuse } from '../tokens/refused.ts';
import type { VerifiedToken, VerifyWorkloadToken } from '../tokens/verify.ts';
import type { Ask } from './authorize.ts';
import type { Handout, ObtainCredentials } from './broker.ts';
import { Body, Credentials, Params, Query } from './schema.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The workload token of a credentials request. */
    token?: VerifiedToken;
  }
}

export interface CredentialsRoutesDeps {
  issuerUrl: string;
  verify: VerifyWorkloadToken;
  obtainCredentials: ObtainCredentials;
  refusals: Refusals;
  limits: Limits;
  bearerToken(request: FastifyRequest): string;
}

type Asked = Pick<Static<typeof Query>, 'purpose' | 'duration_seconds'> & { session_policy?: unknown };

/** Seconds alone: the JavaScript SDK takes no fraction. */
function zulu(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

function toAnswer({ session, accountId, roleArn, region }: Handout): Static<typeof Credentials> {
  return {
    AccessKeyId: session.accessKeyId,
    SecretAccessKey: session.secretAccessKey,
    Token: session.sessionToken,
    Expiration: zulu(session.expiration),
    AccountId: accountId,
    RoleArn: roleArn,
    Region: region,
  };
}

export function registerCredentialsRoutes(server: FastifyInstance, deps: CredentialsRoutesDeps): void {
  const { issuerUrl, verify, obtainCredentials, refusals, limits, bearerToken } = deps;

  /** Either for every connection granted, or for this one; a path that is an id is compared before anything is read. */
  function acceptsFor(connection: string): (audience: string) => boolean {
    return (audience) => {
      const parsed = parseAudience(issuerUrl, audience);
      if (parsed?.kind === 'credentials') return true;
      return parsed?.kind === 'connection' && (parsed.connection === connection || !connection.startsWith('cn_'));
    };
  }

  function toAsk(request: FastifyRequest, asked: Asked): Ask {
    const audience = parseAudience(issuerUrl, request.token?.audience ?? '');
    return {
      connection: (request.params as Static<typeof Params>).connection,
      purpose: asked.purpose ?? 'default',
      durationSeconds: asked.duration_seconds,
      sessionPolicy: asked.session_policy,
      requestId: request.id,
      onlyConnection: audience?.kind === 'connection' ? audience.connection : undefined,
    };
  }

  void server.register(async (scope) => {
    limitStrangers(scope, limits, isStranger);
    scope.addHook('onRequest', async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const { connection = '' } = request.params as { connection?: string };
      const resource = connection.startsWith('cn_')
        ? connectionAudience(issuerUrl, connection)
        : credentialsAudience(issuerUrl);
      request.token = await verify(bearerToken(request), acceptsFor(connection), resource);
      if (!request.token.subject.startsWith('wl_')) {
        throw new Problem('invalid_token', 'The token was refused: only a workload gets credentials.', {
          hint: 'Register a workload and grant it the connection.',
        });
      }
    });

    scope.setErrorHandler(recordThenRefuse(refusals, 'exchange.refused', ({ token }) => token?.subject));

    const common = {
      operationId: 'getCredentials',
      summary: 'Session credentials of a connection, as the AWS SDKs fetch them',
      tags: ['credentials'],
    };
    const response = { 200: Credentials };
    // Reads, rows, keys, turns and STS: each that is awaited ends by itself.
    const config = { awsErrors: true, ownDeadlines: true };

    scope.get(
      '/v1/connections/:connection/credentials',
      { config, schema: { ...common, params: Params, querystring: Query, response } },
      async (request) =>
        toAnswer(await obtainCredentials(request.token as VerifiedToken, toAsk(request, request.query as Asked))),
    );

    scope.post(
      '/v1/connections/:connection/credentials',
      {
        config,
        // Every member is optional, and so is the body: Fastify would ask for an object where nothing was sent.
        preValidation: async (request) => {
          if (request.body === undefined) request.body = {};
        },
        schema: {
          ...common,
          operationId: 'createCredentials',
          summary: 'Session credentials of a connection',
          params: Params,
          body: Body,
          response,
        },
      },
      async (request) =>
        toAnswer(
          await obtainCredentials(request.token as VerifiedToken, toAsk(request, (request.body ?? {}) as Asked)),
        ),
    );
  });
}
