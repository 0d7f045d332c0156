// /v1/keys/{issuer}/hold and resume: rotations of a ring stopped for a while, and let go on.
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { Problem } from '../errors.ts';
import { requireReason, requireScopes } from '../http/caller.ts';
import { parseTime } from '../http/times.ts';
import { hold, resume } from './hold.ts';
import { resolveRing } from './resolve.ts';
import type { RotateDeps } from './rotate.ts';
import * as schema from './schema.ts';

const REASON = 'Rotations are held, and let go on, with a reason.';
const tags = ['keys'];

function readEnd({ until, duration_seconds: seconds }: Static<typeof schema.HoldBody>) {
  if ((until === undefined) === (seconds === undefined))
    throw new Problem('invalid_request', 'A hold has one end: until, or duration_seconds.', {
      hint: 'Send one of the two.',
    });
  if (seconds !== undefined) return { duration: seconds * 1000 };
  const at = parseTime(until as string);
  if (at === undefined)
    throw new Problem('invalid_request', '`until` is no time from 1970 to 9999.', {
      hint: 'Send a time as 2026-11-21T09:30:00Z.',
    });
  return { until: at };
}

export function registerHoldRoutes(server: FastifyInstance, deps: RotateDeps): void {
  server.post(
    '/v1/keys/:issuer/hold',
    {
      schema: {
        ...{ operationId: 'holdKeys', summary: 'Stop rotations of a ring until a time; revocations go on', tags },
        ...{ params: schema.IssuerParams, body: schema.HoldBody, response: { 200: schema.Held } },
      },
      preHandler: requireScopes('keys:rotate'),
    },
    async (request) => {
      requireReason(request.caller, REASON);
      const { issuer } = request.params as Static<typeof schema.IssuerParams>;
      const body = request.body as Static<typeof schema.HoldBody>;
      const end = readEnd(body);
      return await hold(deps, await resolveRing(deps, issuer, body.algorithm), end, request.caller);
    },
  );

  server.post(
    '/v1/keys/:issuer/resume',
    {
      schema: {
        ...{ operationId: 'resumeKeys', summary: 'Let rotations of a ring go on, where they would have been', tags },
        ...{ params: schema.IssuerParams, body: schema.ResumeBody, response: { 200: schema.Resumed } },
      },
      preHandler: requireScopes('keys:rotate'),
    },
    async (request) => {
      requireReason(request.caller, REASON);
      const { issuer } = request.params as Static<typeof schema.IssuerParams>;
      const { algorithm } = request.body as Static<typeof schema.ResumeBody>;
      return await resume(deps, await resolveRing(deps, issuer, algorithm), request.caller);
    },
  );
}
