// The keys API: rings with their timelines, rotation, revocation, the policy.
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { Problem } from '../errors.ts';
import { requireScopes } from '../http/caller.ts';
import { decodeCursor, PageQuery, pageOf, toPage } from '../http/paging.ts';
import { listPolicyVersions, readPolicy } from './policies.ts';
import { type KeyPolicy, retirement, seasoning } from './policy.ts';
import { revoke } from './revoke.ts';
import { queueRotation, type RotateDeps, rotateNow } from './rotate.ts';
import * as schema from './schema.ts';
import * as facts from './facts.ts';
import { activeKey, keyState, nextRotationAt, seasonedAt, standbyKey } from './timeline.ts';

export interface KeyRoutesDeps extends RotateDeps {
  /** The URL of an issuer: `platform` or `is_…`. */
  issuerUrlOf(issuer: string): string;
}

const iso = (ms: number): string => new Date(ms).toISOString();
const optional = (name: string, ms: number | undefined): object => (ms === undefined ? {} : { [name]: iso(ms) });
const tags = ['keys'];

function toRing(ring: facts.Ring, policy: KeyPolicy, now: number, issuerUrl: string): Static<typeof schema.Ring> {
  const active = activeKey(ring.keys, now);
  const standby = standbyKey(ring.keys, now);
  const next =
    active?.signsFrom !== undefined && standby
      ? nextRotationAt({ signsFrom: active.signsFrom }, standby, policy)
      : undefined;
  return {
    ...{ id: ring.id, issuer: ring.issuer, issuer_url: issuerUrl, algorithm: ring.algorithm, purpose: ring.purpose },
    ...(ring.heldUntil !== undefined && ring.heldUntil > now ? { held_until: iso(ring.heldUntil) } : {}),
    ...optional('next_rotation_at', next),
    keys: ring.keys.map((key) => ({
      ...{
        kid: key.kid,
        state: keyState(key, now),
        published_at: iso(key.publishedAt),
        seasoned_at: iso(seasonedAt(key, policy)),
      },
      ...optional('signs_from', key.signsFrom),
      ...optional('removed_at', key.removedAt),
      ...optional('revoked_at', key.revokedAt),
    })),
  };
}

async function showRings(
  { db, readClock, issuerUrlOf }: KeyRoutesDeps,
  ids: readonly string[],
): Promise<Static<typeof schema.Ring>[]> {
  const now = await readClock(db);
  const policy = await readPolicy(db, now);
  const rings = await Promise.all(ids.map((id) => facts.findRing(db, id)));
  return rings.flatMap((ring) => (ring ? [toRing(ring, policy, now, issuerUrlOf(ring.issuer))] : []));
}

/** The ring that a request means: the issuer's only one, or that of the algorithm named. */
async function resolveRing(
  { db, readClock }: KeyRoutesDeps,
  issuer: string,
  algorithm?: 'ES256' | 'RS256',
): Promise<string> {
  const rings = await facts.listIssuerRings(db, issuer, await readClock(db));
  const found = algorithm ? rings.find((ring) => ring.algorithm === algorithm) : rings[0];
  if (!found)
    throw new Problem('not_found', 'There is no such ring of keys.', { hint: 'List them with GET /v1/keys.' });
  if (!algorithm && rings.length > 1)
    throw new Problem('invalid_request', 'This issuer has several rings.', { hint: 'Name the algorithm.' });
  return found.id;
}

async function resolveRingOfKey({ db, readClock }: KeyRoutesDeps, issuer: string, kid: string): Promise<string> {
  for (const ring of await facts.listIssuerRings(db, issuer, await readClock(db))) {
    if ((await facts.listRingKeys(db, ring.id)).some((key) => key.kid === kid)) return ring.id;
  }
  throw new Problem('not_found', 'This issuer has no such key.', { hint: 'See GET /v1/keys/{issuer} for its keys.' });
}

export function registerKeyRoutes(server: FastifyInstance, deps: KeyRoutesDeps): void {
  const { db, readClock } = deps;

  server.get(
    '/v1/keys',
    {
      schema: {
        operationId: 'listRings',
        summary: 'The rings of signing keys',
        tags,
        querystring: Type.Object(PageQuery, { additionalProperties: false }),
        response: { 200: pageOf(schema.Ring) },
      },
      preHandler: requireScopes('keys:read'),
    },
    async (request) => {
      const { limit = 50, cursor } = request.query as { limit?: number; cursor?: string };
      const rows = await facts.listRings(db, decodeCursor(cursor, 1)?.[0], limit + 1);
      const page = toPage(
        rows,
        limit,
        (row) => row.id,
        (row) => [row.id],
      );
      return { ...page, items: await showRings(deps, page.items) };
    },
  );

  server.get(
    '/v1/keys/:issuer',
    {
      schema: {
        operationId: 'getRings',
        summary: "An issuer's rings and their timelines",
        tags,
        params: schema.IssuerParams,
        response: { 200: Type.Object({ items: Type.Array(schema.Ring) }) },
      },
      preHandler: requireScopes('keys:read'),
    },
    async (request) => {
      const { issuer } = request.params as Static<typeof schema.IssuerParams>;
      const rings = await facts.listIssuerRings(db, issuer, await readClock(db));
      if (rings.length === 0)
        throw new Problem('not_found', 'There is no such issuer.', { hint: 'List the rings with GET /v1/keys.' });
      return {
        items: await showRings(
          deps,
          rings.map((ring) => ring.id),
        ),
      };
    },
  );

  server.post(
    '/v1/keys/:issuer/rotate',
    {
      schema: {
        ...{ operationId: 'rotateKeys', summary: 'Rotate: queued, or in the call', tags },
        ...{
          params: schema.IssuerParams,
          body: schema.RotateBody,
          response: { 200: schema.Rotated, 202: schema.Queued },
        },
      },
      preHandler: requireScopes('keys:rotate'),
    },
    async (request, reply) => {
      const { issuer } = request.params as Static<typeof schema.IssuerParams>;
      const { now, algorithm } = request.body as Static<typeof schema.RotateBody>;
      const ring = await resolveRing(deps, issuer, algorithm);
      if (now) return await rotateNow(deps, ring, request.caller);
      return await reply.code(202).send(await queueRotation(deps, ring, request.caller));
    },
  );

  server.post(
    '/v1/keys/:issuer/revoke',
    {
      schema: {
        ...{ operationId: 'revokeKey', summary: 'Take a key out of the JWKS; its live tokens die with it', tags },
        ...{ params: schema.IssuerParams, body: schema.RevokeBody, response: { 200: schema.Revoked } },
      },
      preHandler: requireScopes('keys:revoke'),
    },
    async (request) => {
      const { issuer } = request.params as Static<typeof schema.IssuerParams>;
      const { kid, accept_outage: acceptOutage = false } = request.body as Static<typeof schema.RevokeBody>;
      const ring = await resolveRingOfKey(deps, issuer, kid);
      return await revoke(deps, { ring, kid, acceptOutage }, request.caller);
    },
  );

  server.get(
    '/v1/key-policy',
    {
      schema: {
        operationId: 'getKeyPolicy',
        summary: 'The key policy and its arithmetic',
        tags,
        response: { 200: schema.Policy },
      },
      preHandler: requireScopes('keys:read'),
    },
    async () => {
      const versions = await listPolicyVersions(db);
      const policy = await readPolicy(db, await readClock(db));
      const seconds = (ms: number): number => ms / 1000;
      return {
        version: Math.max(...versions.map((row) => row.version)),
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
      };
    },
  );
}
