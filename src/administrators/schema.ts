// The shapes of /v1/administrators.
import { type Static, Type } from 'typebox';
import { ClientReference, clientMembers, Description, JwkInput, Scopes, Slug, State } from '../clients/schema.ts';
import { pageOf } from '../http/paging.ts';
import { idPattern } from '../ids.ts';

export const Administrator = Type.Object(
  { id: Type.String({ pattern: idPattern('ad') }), ...clientMembers },
  { additionalProperties: false },
);

export const NewAdministrator = Type.Object(
  {
    slug: Slug,
    description: Type.Optional(Description),
    scopes: Type.Optional(Scopes),
    keys: Type.Optional(Type.Array(JwkInput, { maxItems: 10 })),
  },
  { additionalProperties: false },
);
export type NewAdministrator = Static<typeof NewAdministrator>;

export const AdministratorChange = Type.Object(
  {
    description: Type.Optional(Description),
    scopes: Type.Optional(Scopes),
    state: Type.Optional(State),
  },
  { additionalProperties: false, minProperties: 1 },
);

export const AdministratorParams = Type.Object({ administrator: ClientReference }, { additionalProperties: false });
export const AdministratorPage = pageOf(Administrator);
