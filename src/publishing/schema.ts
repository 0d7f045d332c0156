// The shapes of static publishing.
import { Type } from 'typebox';
import { idPattern } from '../ids.ts';

const Time = Type.String({ format: 'date-time' });

/** A bucket with its prefix, or a directory by its absolute path. */
const TargetName = Type.String({
  maxLength: 512,
  pattern: '^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*|/[!-~]*)$',
  description: 's3://bucket or s3://bucket/prefix; or the absolute path of a directory on the publisher’s host',
});

export const TargetParams = Type.Object({ target: Type.String({ pattern: idPattern('tg') }) });

export const Target = Type.Object({
  id: Type.String(),
  target: TargetName,
  since: Time,
  actor: Type.String(),
  reason: Type.String(),
  ended_at: Type.Optional(Time),
  passed_at: Type.Optional(
    Type.String({ format: 'date-time', description: 'everything that was true then is in place' }),
  ),
  verified_at: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'every document in place was looked at in a pass that began then',
    }),
  ),
  publisher: Type.Optional(Type.String({ description: 'who publishes to it now' })),
});

export const Targets = Type.Object({ items: Type.Array(Target) });
export const NewTarget = Type.Object({ target: TargetName }, { additionalProperties: false });

const Epoch = Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: 'of the lease' });

export const LeaseBody = Type.Object(
  {
    holder: Type.String({ minLength: 1, maxLength: 100, pattern: '^[!-~]+$', description: 'host and process' }),
    epoch: Type.Optional(Epoch),
    release: Type.Optional(Type.Boolean({ description: 'give it back' })),
  },
  { additionalProperties: false },
);

export const Lease = Type.Object({
  epoch: Epoch,
  until: Type.String({ format: 'date-time', description: 'renewed by each report' }),
  since: Type.Optional(Type.String({ description: 'where the next pass starts; everything, where it is left out' })),
  verified_at: Type.Optional(Time),
});

const Since = Type.String({ pattern: '^[0-9]{1,18}\\.[0-9]{1,13}$' });

export const DocumentsQuery = Type.Object(
  {
    since: Type.Optional(Since),
    cursor: Type.Optional(Type.String({ maxLength: 512, pattern: '^[A-Za-z0-9_-]+$' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 100 })),
    issuer: Type.Optional(
      Type.String({ pattern: `^platform$|${idPattern('is')}`, description: 'this issuer alone, as it is now' }),
    ),
    revoked: Type.Optional(Type.Boolean({ description: 'only issuers with a revoked key that may still be in place' })),
  },
  { additionalProperties: false },
);

const DocumentName = Type.Enum(['jwks', 'discovery']);
const Kid = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });
const Version = Type.String({ pattern: '^[A-Za-z0-9_-]{27}$', description: 'of the body and its max-age' });
const Tag = Type.String({
  ...{ minLength: 1, maxLength: 128, pattern: '^[!-~]+$' },
  description: 'what the target calls that content: an ETag, or a digest',
});

export const PublishedDocument = Type.Object({
  document: DocumentName,
  path: Type.String({ description: 'below ISSUER_URL' }),
  version: Version,
  body: Type.Optional(Type.String({ description: 'left out where this version stands there already' })),
  kids: Type.Optional(Type.Array(Kid)),
  placed: Type.Optional(
    Type.Object({ version: Version, tag: Tag }, { description: 'what stands there by the record' }),
  ),
});

export const DocumentsPage = Type.Object({
  max_age: Type.Integer({ description: 'seconds, for Cache-Control: public, max-age' }),
  since: Type.Optional(Type.String({ description: 'of the first page: where the pass after this one starts' })),
  total: Type.Optional(Type.Integer({ description: 'of the first page: issuers to look at' })),
  items: Type.Array(Type.Object({ issuer: Type.String(), documents: Type.Array(PublishedDocument) })),
  next_cursor: Type.Optional(Type.String()),
});

export const PlacedBody = Type.Object(
  {
    epoch: Epoch,
    documents: Type.Array(
      Type.Object(
        {
          issuer: Type.String({ pattern: `^platform$|${idPattern('is')}` }),
          ...{ document: DocumentName, version: Version, tag: Tag },
          kids: Type.Optional(Type.Array(Kid, { maxItems: 20, description: 'every key in it, for a JWKS' })),
          anew: Type.Optional(
            Type.Boolean({ description: 'something else than the record said had stood there: its keys season anew' }),
          ),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 64 },
    ),
  },
  { additionalProperties: false },
);

export const Placed = Type.Object({ placed: Type.Integer(), withdrawn: Type.Integer() });

export const PassBody = Type.Object(
  {
    epoch: Epoch,
    since: Since,
    verified: Type.Optional(Type.Boolean({ description: 'every document in place was looked at' })),
  },
  { additionalProperties: false },
);
