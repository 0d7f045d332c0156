// The shapes of the API of key-encryption keys.
import { Type } from 'typebox';

const Time = Type.String({ format: 'date-time' });
const Id = Type.String({
  pattern: '^([0-9a-f]{16}|arn:[a-z0-9:/-]{1,200})$',
  description: "a digest of a file's key, or the ARN of a KMS key",
});

const Kek = Type.Object({
  id: Id,
  source: Type.Optional(
    Type.String({ description: 'where the replica that answers has it; missing where it does not' }),
  ),
  wraps: Type.Boolean({ description: 'whether it wraps what is new' }),
  private_halves: Type.Integer({ description: 'how many it has wrapped' }),
});

const Rotation = Type.Object({
  to: Id,
  started_at: Time,
  actor: Type.String(),
  reason: Type.String(),
  remaining: Type.Integer({ description: 'private halves under other keys' }),
  trouble: Type.Optional(Type.String({ description: 'what stands in the way' })),
  finished_at: Type.Optional(Time),
});

const Replica = Type.Object({ id: Type.String(), host: Type.String(), opens: Type.Array(Id), seen_at: Time });

export const KekState = Type.Object({
  keks: Type.Array(Kek),
  rotation: Type.Optional(Rotation),
  replicas: Type.Array(Replica, { description: 'the processes that live, and the keys that each opens' }),
});

export const KekChange = Type.Object({
  ...KekState.properties,
  changed: Type.Boolean({ description: 'False where that key was chosen already; then nothing was changed.' }),
});

export const KekRotateBody = Type.Object(
  {
    to: Type.Optional(
      Type.String({
        maxLength: 256,
        description: 'the id of a key that every replica was given; the only other one unless named',
      }),
    ),
  },
  { additionalProperties: false },
);
