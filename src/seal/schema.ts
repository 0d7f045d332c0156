// The shape of the seal.
import { Type } from 'typebox';

export const SealState = Type.Object({
  sealed: Type.Boolean({ description: 'Whether nothing is minted.' }),
  sealed_at: Type.Optional(Type.String({ format: 'date-time' })),
  sealed_by: Type.Optional(Type.String({ description: 'An id, or `host`.' })),
  sealed_as: Type.Optional(Type.String({ description: 'Who that was at the host, as they said.' })),
  reason: Type.Optional(Type.String()),
});

export const SealChange = Type.Object({
  ...SealState.properties,
  changed: Type.Boolean({ description: 'False where it was so already; then nothing was changed.' }),
});
