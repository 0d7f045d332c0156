// The claims of a web identity token, held to what AWS takes, and the condition keys that come of them.
import { AwsError, invalidIdentityToken } from '../wire/error.ts';
import type { Provider, Tag } from '../world.ts';

export interface Claims {
  subject: string;
  /** `azp` where there is one: it takes the place of `aud` everywhere. */
  audience: string;
  audiences: readonly string[];
  amr: readonly string[] | undefined;
  email: string | undefined;
  /** Role ARNs; undefined when the token does not say. */
  roles: readonly string[] | undefined;
  tags: readonly Tag[];
  transitive: readonly string[];
  sourceIdentity: string | undefined;
}

type Given = Readonly<Record<string, unknown>>;

const LEEWAY_SECONDS = 300;

function textClaim(claims: Given, name: string): string {
  const value = claims[name];
  if (value === undefined) throw invalidIdentityToken(`Missing a required claim: ${name}`);
  if (typeof value !== 'string' || value === '') throw invalidIdentityToken(`The claim ${name} must be a string.`);
  return value;
}

function timeClaim(claims: Given, name: string): number {
  const value = claims[name];
  if (value === undefined) throw invalidIdentityToken(`Missing a required claim: ${name}`);
  if (!Number.isSafeInteger(value)) throw invalidIdentityToken('Invalid timestamp in token claims.');
  return value as number;
}

/** @param now seconds since the epoch */
function checkTimes(claims: Given, now: number): void {
  const [iat, exp] = [timeClaim(claims, 'iat'), timeClaim(claims, 'exp')];
  const nbf = claims['nbf'] === undefined ? iat : timeClaim(claims, 'nbf');
  if (iat > now + LEEWAY_SECONDS) throw invalidIdentityToken('Token issued in the future.');
  if (nbf > now + LEEWAY_SECONDS) throw invalidIdentityToken('The web identity token is not yet valid.');
  if (exp <= now - LEEWAY_SECONDS) {
    throw new AwsError(
      'ExpiredTokenException',
      `Token expired: current date/time ${now} must be before the expiration date/time${exp}`,
    );
  }
}

function readAudience(claims: Given): { audience: string; audiences: string[] } {
  const { aud, azp } = claims;
  if (aud === undefined) throw invalidIdentityToken('Missing a required claim: aud');
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (audiences.length === 0 || !audiences.every((one) => typeof one === 'string' && one !== '')) {
    throw invalidIdentityToken('The audience claim is invalid.');
  }
  if (azp !== undefined) return { audience: textClaim(claims, 'azp'), audiences };
  if (audiences.length > 1) {
    throw invalidIdentityToken('Token audience contains more than one audience while authorized party is not present');
  }
  return { audience: audiences[0] as string, audiences };
}

function stringsClaim(value: unknown, message: string): string[] {
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string')) throw invalidIdentityToken(message);
  return value;
}

const ROLE_ARN = /^arn:aws[a-z-]*:iam::\d{12}:role\/(?:[\x21-\x7e]+\/)?[\w+=,.@-]{1,64}$/;

function readRoles(claims: Given): string[] | undefined {
  const given = claims['https://aws.amazon.com/roles'];
  if (given === undefined) return undefined;
  const roles = stringsClaim(given, 'The roles claim is not in a supported format');
  if (!roles.some((arn) => ROLE_ARN.test(arn))) {
    throw invalidIdentityToken('The roles claim contains no valid role ARNs');
  }
  return roles;
}

const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+@-]*$/u;

function readTags(claims: Given): { tags: Tag[]; transitive: string[] } {
  const given = claims['https://aws.amazon.com/tags'];
  if (given === undefined) return { tags: [], transitive: [] };
  const wrong = 'Session tags passed in claim are not in correct format.';
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw invalidIdentityToken(wrong);
  const { principal_tags: principal = {}, transitive_tag_keys: keys = [] } = given as Given;
  const badTags = 'principal_tags passed in claim is not in correct format.';
  if (typeof principal !== 'object' || principal === null) throw invalidIdentityToken(badTags);
  const tags = Object.entries(principal).map(([key, values]) => {
    const [value, ...more] = stringsClaim(values, badTags);
    if (value === undefined || more.length > 0) throw invalidIdentityToken(badTags);
    const fits = key.length >= 1 && key.length <= 128 && value.length <= 256 && !/^aws:/i.test(key);
    if (!fits || !TAG_TEXT.test(key) || !TAG_TEXT.test(value)) throw invalidIdentityToken(badTags);
    return { key, value };
  });
  const names = new Set(tags.map(({ key }) => key.toLowerCase()));
  const transitive = stringsClaim(keys, wrong);
  if (tags.length > 50 || names.size < tags.length) throw invalidIdentityToken(badTags);
  if (!transitive.every((key) => names.has(key.toLowerCase()))) throw invalidIdentityToken(wrong);
  return { tags, transitive };
}

function readSourceIdentity(claims: Given): string | undefined {
  const given = claims['https://aws.amazon.com/source_identity'];
  if (given === undefined) return undefined;
  if (typeof given !== 'string' || !/^[\w+=,.@-]{2,64}$/.test(given) || /^aws:/i.test(given)) {
    throw invalidIdentityToken('The source identity claim is invalid.');
  }
  return given;
}

/**
 * @param now milliseconds since the epoch
 * @throws AwsError InvalidIdentityToken, ExpiredTokenException
 */
export function readClaims(claims: Given, provider: Provider, now: number): Claims {
  if (textClaim(claims, 'iss') !== provider.url)
    throw invalidIdentityToken('The token issuer does not match the provider.');
  const subject = textClaim(claims, 'sub');
  const { audience, audiences } = readAudience(claims);
  checkTimes(claims, Math.floor(now / 1000));
  if (!provider.clientIds.includes(audience)) throw invalidIdentityToken('Incorrect token audience');
  const { amr, email } = claims;
  return {
    subject,
    audience,
    audiences,
    amr: amr === undefined ? undefined : stringsClaim(Array.isArray(amr) ? amr : [amr], 'The amr claim is invalid.'),
    email: typeof email === 'string' ? email : undefined,
    roles: readRoles(claims),
    ...readTags(claims),
    sourceIdentity: readSourceIdentity(claims),
  };
}
