// The shapes of the credentials endpoint: what is asked, and the AWS container credentials protocol's answer.
import { Type } from 'typebox';

export const Params = Type.Object({
  connection: Type.String({
    pattern: '^[A-Za-z0-9._-]{1,64}$',
    description: 'the id of the connection, or its reference',
  }),
});

const purpose = Type.Optional(
  Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$', description: 'of the grant; `default` unless given' }),
);
const duration = Type.Optional(
  Type.Integer({ description: 'seconds; the lesser of 3600 and the ceilings unless given' }),
);

export const Query = Type.Object({ purpose, duration_seconds: duration }, { additionalProperties: false });

export const Body = Type.Optional(
  Type.Object(
    {
      purpose,
      duration_seconds: duration,
      session_policy: Type.Optional(
        Type.Object(
          {},
          {
            additionalProperties: true,
            description: 'an IAM policy document of Effect "Deny" statements alone, which narrows the session',
          },
        ),
      ),
    },
    { additionalProperties: false },
  ),
);

/** Members as AWS spells them: SDKs read this unchanged. */
export const Credentials = Type.Object({
  AccessKeyId: Type.String(),
  SecretAccessKey: Type.String(),
  Token: Type.String(),
  Expiration: Type.String({ description: 'YYYY-MM-DDTHH:MM:SSZ' }),
  AccountId: Type.String(),
  RoleArn: Type.String(),
  Region: Type.String({ description: 'of the connection' }),
});
