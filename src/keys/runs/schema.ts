// The shapes of /v1/rotations.
import { Type } from 'typebox';
import { PageQuery, pageOf } from '../../http/paging.ts';
import { idPattern } from '../../ids.ts';

const Time = Type.String({ format: 'date-time' });
const Text = Type.String({ minLength: 1, maxLength: 256, pattern: '^[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]*$' });

const Selection = Type.Object(
  {
    all: Type.Optional(Type.Boolean({ description: 'every ring; alone, or with algorithm and purpose' })),
    issuers: Type.Optional(
      Type.Array(Type.String({ pattern: `^platform$|${idPattern('is')}` }), {
        ...{ minItems: 1, maxItems: 1000, uniqueItems: true },
      }),
    ),
    tenant: Type.Optional(Text),
    label: Type.Optional(
      Type.Record(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$' }), Text, {
        minProperties: 1,
        maxProperties: 8,
        additionalProperties: false,
      }),
    ),
    algorithm: Type.Optional(Type.Enum(['ES256', 'RS256'])),
    purpose: Type.Optional(Type.Enum(['workload_token', 'web_identity_token'])),
  },
  { additionalProperties: false, description: 'What is given must all hold.' },
);

export const RunBody = Type.Object(
  {
    selection: Selection,
    rate_per_minute: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 6000, default: 600, description: 'of all replicas together' }),
    ),
  },
  { additionalProperties: false },
);

export const RunParams = Type.Object({ rotation: Type.String({ pattern: idPattern('ro') }) });
export const RunQuery = Type.Object(PageQuery, { additionalProperties: false });

const Members = {
  id: Type.String(),
  state: Type.Enum(['running', 'finished', 'cancelled']),
  selection: Type.Object({}, { additionalProperties: true }),
  rate_per_minute: Type.Integer(),
  total: Type.Integer({ description: 'rings that the selection meant when it was asked for' }),
  actor: Type.String(),
  reason: Type.String(),
  created_at: Time,
  ended_at: Type.Optional(Time),
  cancelled_by: Type.Optional(Type.String()),
};

export const Run = Type.Object(Members);
export const RunPage = pageOf(Run);

export const RunProgress = Type.Object({
  ...Members,
  done: Type.Integer({ description: 'rotated since it was asked for, by whomever' }),
  waiting: Type.Integer(),
  held: Type.Integer(),
  failed: Type.Integer(),
  next_at: Type.Optional(Type.String({ format: 'date-time', description: 'when the next ring is looked at' })),
  reasons: Type.Array(Type.Object({ code: Type.String(), count: Type.Integer() }), {
    description: 'why rings wait or failed',
  }),
  failures: Type.Array(Type.Object({ ring: Type.String(), code: Type.String(), detail: Type.String() }), {
    description: 'the first hundred',
  }),
});
