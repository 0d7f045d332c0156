// A refused request of somebody known is on record before its caller hears, or its caller hears that nothing could be.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Refusals } from '../audit/refusals.ts';
import { sendProblem, toProblem } from '../http/problems.ts';
import { bearerOf } from './counted.ts';

/**
 * @param kind of the record, e.g. `call.refused`
 * @param actorOf whom authentication found, where it came so far
 * @returns an error handler of Fastify's
 */
export function recordThenRefuse(
  refusals: Refusals,
  kind: string,
  actorOf: (request: FastifyRequest) => string | undefined,
): (error: unknown, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  return async (error, request, reply) => {
    const problem = toProblem(error);
    const actor = bearerOf(error) ?? actorOf(request);
    if (actor === undefined || problem.status >= 500) return sendProblem(error, request, reply);
    const workload = actor.startsWith('wl_') ? actor : undefined;
    try {
      await refusals.record({ kind, actor, workload, code: problem.code });
    } catch (unrecorded) {
      return sendProblem(unrecorded, request, reply);
    }
    return sendProblem(problem, request, reply);
  };
}
