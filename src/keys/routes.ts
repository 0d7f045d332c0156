// The keys API: rings with their timelines, rotation, revocation, the policy.
import { iso } from '../clock.ts';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { Problem } from '../errors.ts';
import { requireScopes } from '../http/caller.ts';
import { decodeCursor, PageQuery, pageOf, toPage } from '../http/paging.ts';
import { registerHoldRoutes } from './hold-routes.ts';
import { type KeyProof, listKeyProofs } from './proofs.ts';
import { registerRevokeRoutes } from './revoke-routes.ts';
import { resolveRing } from './resolve.ts';
import { readPolicy } from './policies.ts';
import type { KeyPolicy } from './policy.ts';
import { registerPolicyRoutes } from './policy-routes.ts';
import { queueRotation, type RotateDeps, rotateNow } from './rotate.ts';
import * as schema from './schema.ts';
import * as facts from './facts.ts';
import { findHold, type Hold } from './store.ts';
import { keyState, plannedAt, seasonedAt } from './timeline.ts';

export interface KeyRoutesDeps extends RotateDeps {
  /** The URL of an issuer: `platform` or `is_…`. */
  issuerUrlOf(issuer: string): string;
}

const optional = (name: string, ms: number | undefined): object => (ms === undefined ? {} : { [name]: iso(ms) });
const tags = ['keys'];

function showPlacement({ placement }: facts.RingKey): object {
  if (placement && 'lackedBy' in placement) return { not_published_to: placement.lackedBy };
  return optional('placed_at', placement?.placedAt);
}

function toProof({ about, outcome, at, looks, code, requestId, standing }: KeyProof): Static<typeof schema.Proof> {
  return {
    ...{ about, outcome, looks, at: iso(at) },
    ...(code === undefined ? {} : { code }),
    ...(requestId === undefined ? {} : { request_id: requestId }),
    ...optional('last_accepted_at', standing?.lastAcceptedAt),
    ...optional('first_refused_at', standing?.firstRefusedAt),
  };
}

interface Beside {
  hold: Hold | undefined;
  /** By kid. */
  proofs: ReadonlyMap<string, KeyProof>;
  policy: KeyPolicy;
  now: number;
  issuerUrl: string;
}

function toRing(ring: facts.Ring, { hold, proofs, policy, now, issuerUrl }: Beside): Static<typeof schema.Ring> {
  const held = hold && hold.until > now ? hold : undefined;
  const planned = ring.retired ? undefined : plannedAt(ring.keys, policy, now);
  const next = planned && Math.max(planned, held?.until ?? 0);
  return {
    ...{ id: ring.id, issuer: ring.issuer, issuer_url: issuerUrl, algorithm: ring.algorithm, purpose: ring.purpose },
    ...(held
      ? {
          held_until: iso(held.until),
          hold: { since: iso(held.at), until: iso(held.until), reason: held.reason, actor: held.actor },
        }
      : {}),
    ...optional('next_rotation_at', next),
    ...(ring.retired ? { retired: true } : {}),
    keys: ring.keys.map((key) => {
      const proof = proofs.get(key.kid);
      return {
        ...{
          kid: key.kid,
          state: keyState(key, now),
          published_at: iso(key.publishedAt),
          seasoned_at: iso(seasonedAt(key, policy)),
        },
        ...showPlacement(key),
        ...optional('signs_from', key.signsFrom),
        ...optional('removed_at', key.removedAt),
        ...optional('revoked_at', key.revokedAt),
        ...(proof ? { proof: toProof(proof) } : {}),
      };
    }),
  };
}

async function showRings(
  { db, readClock, issuerUrlOf }: KeyRoutesDeps,
  ids: readonly string[],
): Promise<Static<typeof schema.Ring>[]> {
  const now = await readClock(db);
  const policy = await readPolicy(db, now);
  const rings = await Promise.all(
    ids.map(async (id) => ({ ring: await facts.findRing(db, id), hold: await findHold(db, id) })),
  );
  const kids = rings.flatMap(({ ring }) => ring?.keys.map(({ kid }) => kid) ?? []);
  const proofs = await listKeyProofs(db, kids);
  return rings.flatMap(({ ring, hold }) =>
    ring ? [toRing(ring, { hold, proofs, policy, now, issuerUrl: issuerUrlOf(ring.issuer) })] : [],
  );
}

export function registerKeyRoutes(server: FastifyInstance, deps: KeyRoutesDeps): void {
  const { db, readClock } = deps;
  registerHoldRoutes(server, deps);
  registerRevokeRoutes(server, deps);
  registerPolicyRoutes(server, deps);

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
}
