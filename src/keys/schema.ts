// The shapes of the keys API.
import { Type } from 'typebox';
import { TIME_PATTERN } from '../http/times.ts';
import { idPattern } from '../ids.ts';

const Time = Type.String({ format: 'date-time' });

export const IssuerParams = Type.Object({
  issuer: Type.String({
    pattern: `^platform$|${idPattern('is')}`,
    description: '`platform`, or the id of a connection issuer',
  }),
});

export const Proof = Type.Object(
  {
    about: Type.Enum(['standby', 'revocation'], {
      description: 'whether STS took the key before it was to sign, or whether it refuses it since it was revoked',
    }),
    outcome: Type.Enum(['accepted', 'refused', 'unclear', 'under_way', 'proved', 'unproved']),
    at: Type.String({ format: 'date-time', description: 'of the newest look, or of the end' }),
    looks: Type.Integer(),
    code: Type.Optional(Type.String({ description: "AWS's code at the newest look, or why there is no proof" })),
    request_id: Type.Optional(Type.String({ description: "STS's, of the newest look" })),
    last_accepted_at: Type.Optional(Type.String({ format: 'date-time', description: 'by STS, since the revocation' })),
    first_refused_at: Type.Optional(
      Type.String({ format: 'date-time', description: 'the first refusal that no acceptance followed' }),
    ),
  },
  { description: "What AWS STS said to canaries of a connection's key." },
);

export const Key = Type.Object({
  kid: Type.String({ description: 'RFC 7638 thumbprint' }),
  state: Type.Enum(['standby', 'active', 'verify_only', 'removed', 'revoked']),
  published_at: Time,
  seasoned_at: Time,
  placed_at: Type.Optional(
    Type.String({ format: 'date-time', description: 'in place at every target of static publishing' }),
  ),
  not_published_to: Type.Optional(
    Type.String({
      description:
        'a target of static publishing that lacks it: until it is there, seasoned_at is the end of the year 9999',
    }),
  ),
  signs_from: Type.Optional(Time),
  removed_at: Type.Optional(Time),
  revoked_at: Type.Optional(Time),
  proof: Type.Optional(Proof),
});

export const Ring = Type.Object({
  id: Type.String(),
  issuer: Type.String(),
  issuer_url: Type.String(),
  algorithm: Type.String(),
  purpose: Type.String(),
  held_until: Type.Optional(Time),
  hold: Type.Optional(
    Type.Object(
      { since: Time, until: Time, reason: Type.String(), actor: Type.String() },
      { description: 'Rotations wait; revocations do not.' },
    ),
  ),
  next_rotation_at: Type.Optional(Time),
  retired: Type.Optional(
    Type.Literal(true, {
      description:
        'its issuer is over (a connection that was disconnected, a drill that ended): its private halves are gone, and nobody rotates it',
    }),
  ),
  keys: Type.Array(Key),
});

const RingAlgorithm = Type.Optional(
  Type.Enum(['ES256', 'RS256'], { description: "the issuer's only ring unless given" }),
);

export const HoldBody = Type.Object(
  {
    until: Type.Optional(
      Type.String({ pattern: TIME_PATTERN, description: 'a time as RFC 3339, at most 90 days ahead' }),
    ),
    duration_seconds: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 7_776_000, description: 'from now on; in place of until' }),
    ),
    algorithm: RingAlgorithm,
  },
  { additionalProperties: false },
);

export const Held = Type.Object({
  ring: Type.String(),
  held_until: Time,
  was_held_until: Type.Optional(Time),
});

export const ResumeBody = Type.Object({ algorithm: RingAlgorithm }, { additionalProperties: false });

export const Resumed = Type.Object({
  ring: Type.String(),
  changed: Type.Boolean({ description: 'false where nothing was held' }),
  next_rotation_at: Type.Optional(Time),
});

export const RotateBody = Type.Object(
  {
    now: Type.Optional(
      Type.Boolean({ default: false, description: 'rotate in the call, or 409 with the time from which it can be' }),
    ),
    algorithm: RingAlgorithm,
  },
  { additionalProperties: false },
);

export const Rotated = Type.Object({
  ring: Type.String(),
  kid: Type.String({ description: 'the key that signs from now on' }),
  predecessor: Type.String(),
  standby: Type.String(),
  signs_from: Time,
  predecessor_removed_at: Time,
});

export const Queued = Type.Object({
  ring: Type.String(),
  not_before: Time,
  rotation: Type.Optional(Type.String({ description: 'how far it is, and its end: /v1/rotations/{rotation}' })),
});

const AcceptOutage = Type.Optional(
  Type.Boolean({
    description: 'even if callers may be refused until the key that is to sign is known to every verifier',
  }),
);

/** One key, or every published key of a ring. */
export const RevokeBody = Type.Union([
  Type.Object(
    { kid: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }), accept_outage: AcceptOutage },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      all_burnt: Type.Literal(true, { description: 'the standby may be burnt too: a fresh key signs' }),
      published_before: Type.Optional(
        Type.String({
          pattern: TIME_PATTERN,
          description: 'what was published from this time on stays, so that it can be repeated',
        }),
      ),
      algorithm: RingAlgorithm,
      accept_outage: AcceptOutage,
    },
    { additionalProperties: false },
  ),
]);

const RevokedKey = { kid: Type.String(), was: Type.Enum(['active', 'standby', 'verify_only']) };

const Consequences = {
  revoked_at: Time,
  forgeries_until: Type.String({ format: 'date-time', description: 'forgeries may pass until then: A + D + e' }),
  outage_until: Type.Optional(
    Type.String({ format: 'date-time', description: 'callers may be refused until then; absent where nobody is' }),
  ),
  published_to: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'published copies that hold the key until they are written anew; forgeries may pass for A after that',
    }),
  ),
};

const Told = {
  successor_served: Type.Optional(
    Type.Boolean({ description: 'whether the key that signs now was seen in the JWKS that strangers are given' }),
  ),
  warnings: Type.Optional(
    Type.Array(Type.String(), { description: 'what to know of it, and to do: it was done all the same' }),
  ),
};

const RevokedOne = Type.Object({ ...RevokedKey, ...Consequences, ...Told });

const RevokedAll = Type.Object({
  ring: Type.String(),
  changed: Type.Boolean({ description: 'false where no key was published before the time given' }),
  revoked: Type.Array(Type.Object(RevokedKey)),
  signs: Type.Optional(Type.String({ description: 'the key that signs from now on' })),
  standby: Type.Optional(Type.String({ description: 'the one after it' })),
  ...Type.Partial(Type.Object(Consequences)).properties,
  ...Told,
});

/** One key, or all_burnt. */
export const Revoked = Type.Union([RevokedOne, RevokedAll]);

const byPurpose = (description: string) =>
  Type.Object({ workload_token: Type.Integer(), web_identity_token: Type.Integer() }, { description });

const Times = {
  verifier_cache_seconds: Type.Integer({ description: 'A' }),
  oldest_served_seconds: Type.Integer({ description: 'D' }),
  oldest_signed_seconds: Type.Integer({ description: 'R' }),
  clock_error_seconds: Type.Integer({ description: 'e' }),
  period_seconds: Type.Integer(),
  seasoning_seconds: Type.Integer({ description: 'A + D + e: from publication to activation' }),
  retirement_seconds: byPurpose('R + T + S + e: from the successor to removal'),
  most_keys: byPurpose('2 + ceil((R + T + S + e) / period), at most 10'),
};

export const PolicyTimes = Type.Object(Times);

const Version = {
  version: Type.Integer(),
  since: Time,
  ...Times,
  in_force: Type.Optional(
    Type.Object(
      { ...Times, until: Time },
      { description: 'what is reckoned with until then, where something was lowered' },
    ),
  ),
};

export const PolicyVersion = Type.Object(Version);

export const Policy = Type.Object({ ...Version, reason: Type.String(), actor: Type.String() });

const Seconds = (minimum: number, maximum: number, description: string) =>
  Type.Integer({ minimum, maximum, description });
const YEAR = 31_622_400;

export const PolicyBody = Type.Object(
  {
    replaces: Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'the version that was looked at' }),
    verifier_cache_seconds: Seconds(1, YEAR, 'A'),
    oldest_served_seconds: Seconds(3, YEAR, 'D'),
    oldest_signed_seconds: Seconds(3, YEAR, 'R: a view is read each R / 5, but not more often than twice a second'),
    clock_error_seconds: Seconds(1, 60, 'e'),
    period_seconds: Seconds(1, YEAR, 'from one planned activation to the next'),
    dry_run: Type.Optional(Type.Boolean({ default: false, description: 'say what would be, and change nothing' })),
  },
  { additionalProperties: false },
);

export const PolicyChanged = Type.Object({
  changed: Type.Boolean({ description: 'false in a dry run, and where it was the same' }),
  before: PolicyVersion,
  after: PolicyVersion,
});
