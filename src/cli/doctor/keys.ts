// Signing keys and their policy, as the API shows them.
import { type KeyPolicy, unsoundLines } from '../../keys/policy.ts';
import type { Config } from '../../config.ts';
import type { Api } from '../api.ts';
import type { Page } from '../pages.ts';
import { type Check, type Finding, ok } from './findings.ts';

interface Ring {
  issuer: string;
  issuer_url: string;
  held_until?: string;
  next_rotation_at?: string;
  /** Its issuer is over: that nothing signs there is how it is to be. */
  retired?: boolean;
  keys: { kid: string; state: string; signs_from?: string }[];
}

/** A rotation is looked for every few seconds: this late, something is wrong. */
const OVERDUE_MS = 15 * 60_000;
const MOST_RINGS = 200;
const A_DAY = 86_400;

const LOOPBACK = /^http:\/\/(localhost|\[::1\]|127\.)/;

/** The platform's rings and the first of the others, but those that are retired: enough to see a service that rotates nothing. */
export async function listSomeRings(api: Api): Promise<Ring[]> {
  const platform = (await api.get('/v1/keys/platform')) as { items: Ring[] };
  const others: Ring[] = [];
  let cursor: string | undefined;
  do {
    const page = (await api.get('/v1/keys', { limit: MOST_RINGS, cursor })) as Page<Ring>;
    others.push(...page.items.filter(({ issuer, retired }) => issuer !== 'platform' && !retired));
    cursor = page.next_cursor;
  } while (cursor !== undefined && others.length < MOST_RINGS);
  return [...platform.items, ...others];
}

export const activeKids = ({ keys }: Ring): string[] =>
  keys.filter(({ state }) => state === 'active').map(({ kid }) => kid);

function judgeRing({ issuer, issuer_url: subject, held_until: held, next_rotation_at: next, keys }: Ring, now: number) {
  const findings: Finding[] = [];
  const has = (state: string): boolean => keys.some((key) => key.state === state);
  if (!has('active'))
    findings.push({
      ...{ code: 'key_active_missing', severity: 'failure', subject, detail: 'No key of this issuer signs.' },
      hint: `See \`countersign key show ${issuer}\`, then \`countersign key rotate ${issuer} --now\`.`,
    });
  if (!has('standby'))
    findings.push({
      ...{ code: 'key_standby_missing', severity: 'failure', subject, detail: 'This issuer has no standby key.' },
      hint: 'Nothing can be rotated until there is one. Look for errors about rotation in the log of the service.',
    });
  if (held !== undefined)
    findings.push({
      ...{ code: 'key_rotation_held', severity: 'warning', subject, detail: `Rotation is on hold until ${held}.` },
      hint: `See \`countersign key show ${issuer}\` for who holds it and why; \`countersign key resume\` lets it go on.`,
    });
  else if (next !== undefined && Date.parse(next) < now - OVERDUE_MS)
    findings.push({
      ...{ code: 'key_rotation_overdue', severity: 'failure', subject, detail: `A rotation was due at ${next}.` },
      hint: `\`countersign key rotate ${issuer} --now\` rotates it, or says what is missing. Look for \`rotate due rings\` in the log of the service, too.`,
    });
  return findings;
}

export function checkRings(rings: () => Promise<Ring[]>, now: () => number): Check {
  return {
    code: 'keys',
    look: async () => {
      const seen = await rings();
      const findings = seen.flatMap((ring) => judgeRing(ring, now()));
      return findings.length > 0 ? findings : [ok('keys', `Rings looked at: ${seen.length}; each rotates in time.`)];
    },
  };
}

export function checkPolicy(api: Api, issuer: string | undefined): Check {
  return {
    code: 'key_policy',
    look: async () => {
      const shown = (await api.get('/v1/key-policy')) as Record<string, number>;
      const ms = (name: string): number => (shown[name] ?? Number.NaN) * 1000;
      const policy: KeyPolicy = {
        verifierCache: ms('verifier_cache_seconds'),
        oldestServed: ms('oldest_served_seconds'),
        oldestSigned: ms('oldest_signed_seconds'),
        clockError: ms('clock_error_seconds'),
        period: ms('period_seconds'),
      };
      const findings: Finding[] = unsoundLines(policy).map((line) => ({
        ...{
          code: 'key_policy_unsound',
          severity: 'failure' as const,
          detail: `The key policy breaks its arithmetic: ${line}.`,
        },
        hint: 'Give it a policy that holds: docs/architecture.md has the arithmetic.',
      }));
      const brief = (shown.verifier_cache_seconds ?? 0) < A_DAY;
      if (brief && issuer !== undefined && !LOOPBACK.test(issuer))
        findings.push({
          ...{ code: 'key_policy_brief', severity: 'warning' as const },
          detail: `The policy trusts verifiers to fetch the JWKS again within ${shown.verifier_cache_seconds} s. AWS documents no figure.`,
          hint: 'Set verifier_cache_seconds to 86400 or more, or a rotation may refuse callers.',
        });
      return findings.length > 0 ? findings : [ok('key_policy', 'The key policy holds its arithmetic.')];
    },
  };
}

interface Keks {
  keks: { id: string; private_halves: number; wraps: boolean }[];
  rotation?: { trouble?: string; remaining: number; finished_at?: string };
  replicas: { host: string; opens: string[] }[];
}

/** Key-encryption keys, whether files or in AWS KMS: every process that lives opens what is wrapped, and a rotation goes on. */
export function checkKeks(api: Api): Check {
  const code = 'kek';
  return {
    code,
    look: async () => {
      const { keks, rotation, replicas } = (await api.get('/v1/kek')) as Keks;
      const inUse = keks.filter(({ wraps, private_halves: halves }) => wraps || halves > 0);
      const findings: Finding[] = inUse.flatMap(({ id }) =>
        replicas
          .filter(({ opens }) => !opens.includes(id))
          .map(({ host }) => ({
            ...{ code: 'kek_not_everywhere', severity: 'failure' as const, subject: id },
            detail: `The process on ${host} does not open this key-encryption key, and private halves are wrapped by it.`,
            hint: 'Give it the key in KEY_ENCRYPTION_KEYS, and start it again: docs/security-team.md.',
          })),
      );
      if (rotation?.trouble !== undefined && rotation.finished_at === undefined)
        findings.push({
          ...{ code: 'kek_rotation_stands', severity: 'failure', detail: `${rotation.trouble}.` },
          hint: `${rotation.remaining} private halves are left: see \`countersign kek show\`.`,
        });
      const said = `Key-encryption keys in use: ${inUse.length}; every process opens them.`;
      return findings.length > 0 ? findings : [ok(code, said)];
    },
  };
}

/** What AWS KMS says of the keys that this host was given: the same look as at a start. */
export function checkKmsKeks({ keks, kmsEndpointUrl: endpointUrl }: Config): Check | undefined {
  const arns = keks.flatMap((source) => ('kmsKey' in source ? [source.kmsKey] : []));
  if (arns.length === 0) return undefined;
  const code = 'kek_kms';
  return {
    code,
    look: async () => {
      const [{ createAwsKms }, { openKmsKek }] = await Promise.all([
        import('../../clouds/aws-kms.ts'),
        import('../../keys/keyring/kms-kek.ts'),
      ]);
      const kms = createAwsKms({ endpointUrl });
      try {
        for (const arn of arns) await openKmsKek(kms, arn);
        return arns.map((arn) => ok(code, 'AWS KMS wraps and opens by this key for this host.', arn));
      } finally {
        kms.close();
      }
    },
  };
}
