// /v1/keys/{issuer}/signer: where the next keys of a ring are made.
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { requireReason, requireScopes } from '../../http/caller.ts';
import { resolveRing, type ResolveDeps } from '../resolve.ts';
import { IssuerParams } from '../schema.ts';
import { type ChooseDeps, chooseSigner } from './choose.ts';
import * as schema from './schema.ts';
import { findRingSigner, listKeyPlaces } from './store.ts';

const tags = ['keys'];

export type SignerRoutesDeps = ChooseDeps & ResolveDeps;

async function show({ db }: SignerRoutesDeps, ring: string): Promise<Static<typeof schema.RingSigner>> {
  const { signer, region } = await findRingSigner(db, ring);
  const keys = await listKeyPlaces(db, ring);
  return {
    ...{ ring, signer, ...(region === null ? {} : { region }) },
    keys: keys.map(({ kid, signer: place, name }) => ({ kid, signer: place, ...(name === null ? {} : { name }) })),
  };
}

export function registerSignerRoutes(server: FastifyInstance, deps: SignerRoutesDeps): void {
  server.get(
    '/v1/keys/:issuer/signer',
    {
      schema: {
        ...{ operationId: 'getSigner', summary: "Where a ring's private halves are, and the next will be", tags },
        ...{ params: IssuerParams, querystring: schema.SignerQuery, response: { 200: schema.RingSigner } },
      },
      preHandler: requireScopes('keys:read'),
    },
    async ({ params, query }) => {
      const { issuer } = params as Static<typeof IssuerParams>;
      const { algorithm } = query as Static<typeof schema.SignerQuery>;
      return await show(deps, await resolveRing(deps, issuer, algorithm));
    },
  );

  server.put(
    '/v1/keys/:issuer/signer',
    {
      schema: {
        ...{ operationId: 'chooseSigner', summary: 'Make the next keys of a ring elsewhere', tags },
        ...{ params: IssuerParams, body: schema.SignerBody, response: { 200: schema.SignerChange } },
        description: 'The standby of the next rotation is made there, and signs from the rotation after that.',
      },
      preHandler: requireScopes('keys:rotate'),
    },
    async ({ params, body, caller }) => {
      const { issuer } = params as Static<typeof IssuerParams>;
      const { algorithm, signer, region } = body as Static<typeof schema.SignerBody>;
      const reason = requireReason(caller, 'A signer is chosen with a reason.');
      const ring = await resolveRing(deps, issuer, algorithm);
      const { changed } = await chooseSigner(deps, { ring, signer, region }, { ...caller, reason });
      return { ...(await show(deps, ring)), changed };
    },
  );
}
