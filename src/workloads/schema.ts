// The shapes of /v1/workloads.
import { type Static, Type } from 'typebox';
import {
  ClientReference,
  clientMembers,
  Description,
  JwkInput,
  PRINTABLE,
  Scopes,
  Slug,
  State,
} from '../clients/schema.ts';
import { idPattern } from '../ids.ts';
import { pageOf } from '../http/paging.ts';

export const Audiences = Type.Array(Type.String({ minLength: 1, maxLength: 255, pattern: PRINTABLE }), {
  uniqueItems: true,
  maxItems: 20,
  description: 'https URLs or URNs for which this workload may get tokens; none of ours, none of a cloud.',
});

const MaxOutliveSeconds = Type.Integer({
  minimum: 0,
  maximum: 900,
  description: "How long its tokens may live on after a platform's token that they were given for.",
});

export const Workload = Type.Object(
  {
    ...{ id: Type.String({ pattern: idPattern('wl') }), ...clientMembers, audiences: Audiences },
    max_outlive_seconds: MaxOutliveSeconds,
  },
  { additionalProperties: false },
);

export const NewWorkload = Type.Object(
  {
    slug: Slug,
    description: Type.Optional(Description),
    scopes: Type.Optional(Scopes),
    audiences: Type.Optional(Audiences),
    keys: Type.Optional(Type.Array(JwkInput, { maxItems: 10 })),
  },
  { additionalProperties: false },
);
export type NewWorkload = Static<typeof NewWorkload>;

export const WorkloadChange = Type.Object(
  {
    description: Type.Optional(Description),
    scopes: Type.Optional(Scopes),
    audiences: Type.Optional(Audiences),
    max_outlive_seconds: Type.Optional(MaxOutliveSeconds),
    state: Type.Optional(State),
  },
  { additionalProperties: false, minProperties: 1 },
);

export const WorkloadParams = Type.Object({ workload: ClientReference }, { additionalProperties: false });
export const WorkloadPage = pageOf(Workload);
