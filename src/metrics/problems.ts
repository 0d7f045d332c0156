// Problems counted by code: whose they are decides under which name.
import type { FastifyRequest } from 'fastify';
import type { Problem } from '../errors.ts';
import { bearerOf } from '../tokens/counted.ts';
import type { Count } from './count.ts';

/** Whoever was authenticated, on whichever route, is on the request; or the fault of a good token is its audience alone. */
function isKnown(problem: Problem, { caller, token }: FastifyRequest): boolean {
  return caller !== undefined || token !== undefined || bearerOf(problem) !== undefined;
}

export function createCountProblem(count: Pick<Count, 'refusal' | 'failure'>) {
  return (problem: Problem, request: FastifyRequest): void => {
    if (problem.status >= 500) count.failure(problem.code);
    else count.refusal(isKnown(problem, request) ? 'known' : 'stranger', problem.code);
  };
}
