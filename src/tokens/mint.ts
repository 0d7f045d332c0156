// Minting: web identity tokens for a cloud's STS, and the host's own token; each signed by its ring's active key.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { unavailable } from '../errors.ts';
import { issuerUrlOf, PLATFORM } from '../issuers/documents.ts';
import type { Algorithm } from '../keys/algorithms.ts';
import { LONGEST_LIFE, type Purpose } from '../keys/policy.ts';
import type { Signer } from '../keys/signer.ts';
import { ringId } from '../keys/store.ts';
import { activeKey } from '../keys/timeline.ts';
import type { RingView } from '../keys/view.ts';

/** A token that is named, and not signed yet. */
export interface Unminted {
  kid: string;
  jti: string;
  expiresAt: Date;
  /** The token itself. @throws Problem `unavailable` where the private half cannot be had */
  sign(): Promise<string>;
}

export interface Minted extends Omit<Unminted, 'sign'> {
  token: string;
}

export interface MintDeps {
  issuerUrl: string;
  view: RingView;
  signer: Signer;
  clock: Clock;
}

export interface ActiveKey {
  kid: string;
  algorithm: Algorithm;
}

/**
 * The key that signs for an issuer now.
 * @throws Problem `unavailable` when nobody may sign, or the ring is not known.
 */
export async function findActiveKey(
  { view }: Pick<MintDeps, 'view'>,
  issuer: string,
  algorithm: Algorithm,
): Promise<ActiveKey> {
  view.assertMaySign();
  const rings = view.find(issuer) ?? (await view.learn(issuer));
  const ring = rings?.find((candidate) => candidate.id === ringId(issuer, algorithm));
  const key = ring && activeKey(ring.keys, view.now());
  if (!key) throw unavailable('The issuer has no key that signs.');
  return { kid: key.kid, algorithm };
}

interface Unsigned {
  issuer: string;
  algorithm: Algorithm;
  purpose: Purpose;
  typ: string;
  lifeSeconds: number;
  claims: Record<string, unknown>;
}

/** To be signed by the key that is given; but for canaries that is the active one, see `draftToken`. */
function draftAs(deps: Omit<MintDeps, 'view'>, { kid, algorithm }: ActiveKey, input: Unsigned): Unminted {
  const longest = LONGEST_LIFE[input.purpose] / 1000;
  // A key's removal is computed from the longest life: one second more could outlive it.
  if (input.lifeSeconds > longest) throw new RangeError(`a ${input.purpose} lives ${longest} s at most`);
  const iat = Math.floor(deps.clock.wall() / 1000);
  const exp = iat + input.lifeSeconds;
  const jti = randomUUID();
  const payload = { iss: issuerUrlOf(deps.issuerUrl, input.issuer), ...input.claims, iat, exp, jti };
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const data = `${encode({ alg: algorithm, typ: input.typ, kid })}.${encode(payload)}`;
  const sign = async (): Promise<string> => {
    const signature = await deps.signer.sign(kid, Buffer.from(data));
    return `${data}.${Buffer.from(signature).toString('base64url')}`;
  };
  return { kid, jti, expiresAt: new Date(exp * 1000), sign };
}

async function signed({ sign, ...named }: Unminted): Promise<Minted> {
  return { ...named, token: await sign() };
}

export async function mintAs(deps: Omit<MintDeps, 'view'>, key: ActiveKey, input: Unsigned): Promise<Minted> {
  return await signed(draftAs(deps, key, input));
}

async function draftToken(deps: MintDeps, input: Unsigned): Promise<Unminted> {
  return draftAs(deps, await findActiveKey(deps, input.issuer, input.algorithm), input);
}

export interface WebIdentity {
  /** `is_…` */
  issuer: string;
  algorithm: Algorithm;
  /** As the connection stores it; what the trust policy names. */
  subject: string;
  roleArn: string;
  sourceIdentity?: string | undefined;
  tags?: Record<string, string> | undefined;
}

export type MintWebIdentityToken = (input: WebIdentity) => Promise<Minted>;
/** The same, for who has something else to do while it is signed. */
export type DraftWebIdentityToken = (input: WebIdentity) => Promise<Unminted>;

/** What AWS STS is shown: one string audience, integer times, 120 s at most, never `azp`. */
export function webIdentityToken(input: WebIdentity): Unsigned {
  const { issuer, algorithm, subject, roleArn, sourceIdentity, tags } = input;
  return {
    ...{ issuer, algorithm, purpose: 'web_identity_token', typ: 'JWT', lifeSeconds: 120 },
    claims: {
      sub: subject,
      aud: 'sts.amazonaws.com',
      'https://aws.amazon.com/roles': [roleArn],
      ...(sourceIdentity === undefined ? {} : { 'https://aws.amazon.com/source_identity': sourceIdentity }),
      ...(tags === undefined || Object.keys(tags).length === 0
        ? {}
        : {
            'https://aws.amazon.com/tags': {
              principal_tags: Object.fromEntries(Object.entries(tags).map(([key, value]) => [key, [value]])),
            },
          }),
    },
  };
}

export function createDraftWebIdentityToken(deps: MintDeps): DraftWebIdentityToken {
  return (input) => draftToken(deps, webIdentityToken(input));
}

export function createMintWebIdentityToken(deps: MintDeps): MintWebIdentityToken {
  const draft = createDraftWebIdentityToken(deps);
  return async (input) => await signed(await draft(input));
}

/** A workload token of the platform's (RFC 9068), for callers that do not pass the token endpoint: the host's socket. */
export async function mintHostToken(
  deps: MintDeps,
  input: { audience: string; scope: string; actor?: string | undefined; reason?: string | undefined },
): Promise<Minted> {
  const draft = await draftToken(deps, {
    ...{ issuer: PLATFORM, algorithm: 'ES256', purpose: 'workload_token', typ: 'at+jwt', lifeSeconds: 900 },
    claims: {
      sub: 'host',
      client_id: 'host',
      aud: input.audience,
      scope: input.scope,
      as: input.actor,
      reason: input.reason,
    },
  });
  return await signed(draft);
}
