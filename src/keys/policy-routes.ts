// /v1/key-policy: the times of signing keys and their arithmetic, looked at and changed.
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { requireReason, requireScopes } from '../http/caller.ts';
import { changePolicy } from './change-policy.ts';
import { findPolicyAuthor, listPolicyVersions } from './policies.ts';
import {
  effectivePolicy,
  type KeyPolicy,
  mostKeys,
  type PolicyVersion,
  retirement,
  seasoning,
  settledAt,
} from './policy.ts';
import type { RotateDeps } from './rotate.ts';
import * as schema from './schema.ts';

const REASON = 'The key policy is changed with a reason.';
const tags = ['keys'];
const seconds = (ms: number): number => ms / 1000;

function showTimes(policy: KeyPolicy): Static<typeof schema.PolicyTimes> {
  return {
    verifier_cache_seconds: seconds(policy.verifierCache),
    oldest_served_seconds: seconds(policy.oldestServed),
    oldest_signed_seconds: seconds(policy.oldestSigned),
    clock_error_seconds: seconds(policy.clockError),
    period_seconds: seconds(policy.period),
    seasoning_seconds: seconds(seasoning(policy)),
    retirement_seconds: {
      workload_token: seconds(retirement(policy, 'workload_token')),
      web_identity_token: seconds(retirement(policy, 'web_identity_token')),
    },
    most_keys: {
      workload_token: mostKeys(policy, 'workload_token'),
      web_identity_token: mostKeys(policy, 'web_identity_token'),
    },
  };
}

function showVersion(versions: readonly PolicyVersion[], now: number): Static<typeof schema.PolicyVersion> {
  const newest = versions.at(-1) as PolicyVersion;
  const settled = settledAt(versions);
  return {
    ...{ version: newest.version, since: new Date(newest.since).toISOString() },
    ...showTimes(newest.policy),
    ...(settled > now
      ? { in_force: { ...showTimes(effectivePolicy(versions, now)), until: new Date(settled).toISOString() } }
      : {}),
  };
}

const ms = (value: number): number => value * 1000;

export function registerPolicyRoutes(server: FastifyInstance, deps: RotateDeps): void {
  const { db, readClock } = deps;

  server.get(
    '/v1/key-policy',
    {
      schema: {
        ...{ operationId: 'getKeyPolicy', summary: 'The key policy and its arithmetic', tags },
        response: { 200: schema.Policy },
      },
      preHandler: requireScopes('keys:read'),
    },
    async () => {
      const versions = await listPolicyVersions(db);
      const shown = showVersion(versions, await readClock(db));
      return { ...shown, ...(await findPolicyAuthor(db, shown.version)) };
    },
  );

  server.put(
    '/v1/key-policy',
    {
      schema: {
        ...{ operationId: 'setKeyPolicy', summary: 'Set the key policy, whole, in place of the version named', tags },
        description:
          'What is raised counts at once. What is lowered counts only once nobody can go by the old value any more: `in_force` shows until when, and what is reckoned with till then.',
        ...{ body: schema.PolicyBody, response: { 200: schema.PolicyChanged } },
      },
      preHandler: requireScopes('keys:rotate'),
    },
    async (request) => {
      requireReason(request.caller, REASON);
      const body = request.body as Static<typeof schema.PolicyBody>;
      const policy: KeyPolicy = {
        verifierCache: ms(body.verifier_cache_seconds),
        oldestServed: ms(body.oldest_served_seconds),
        oldestSigned: ms(body.oldest_signed_seconds),
        clockError: ms(body.clock_error_seconds),
        period: ms(body.period_seconds),
      };
      const { replaces, dry_run: dryRun = false } = body;
      const { changed, versions, now } = await changePolicy(deps, { policy, replaces, dryRun }, request.caller);
      const before = versions.filter(({ version }) => version <= replaces);
      return { changed, before: showVersion(before, now), after: showVersion(versions, now) };
    },
  );
}
