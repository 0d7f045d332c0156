// What is wrong with a discovery document or a JWKS, as AWS reads them and beside what we would serve.
import { finding, type Finding } from './findings.ts';

/** Members without which AWS refuses the provider or the token, and what each must hold. */
const NEEDED: Record<string, readonly string[]> = {
  response_types_supported: ['id_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['ES256', 'RS256'],
  claims_supported: ['aud', 'iat', 'iss', 'sub'],
};

/** What a JWK holds of a private half. */
export const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
/** Members that make AWS refuse a key, or that would publish a private half. */
const REFUSED_MEMBERS = ['key_ops', 'ext', 'x5c', ...PRIVATE_MEMBERS];

/** What the one who asks knows of this issuer; a member left out is not compared. */
export interface Expected {
  /** The discovery document as we would serve it: its texts must be there, to the letter. */
  discovery?: Record<string, unknown> | undefined;
  /**
   * The key of that kid as this issuer ever published it. A replica may serve a set that is up to D older or newer than
   * ours, so another set is no fault; a key that never was ours, or a known kid with another key, is.
   */
  findKey?: ((kid: string) => Promise<Record<string, string> | undefined>) | undefined;
  /** Kids that every replica's set must hold by now. */
  signing?: readonly string[] | undefined;
}

const show = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 300) : 'no text');

export function judgeDiscovery(
  url: string,
  document: Record<string, unknown>,
  issuer: string,
  expected: Record<string, unknown> = {},
): Finding[] {
  const findings: Finding[] = [];
  if (document.issuer !== issuer)
    findings.push(finding('issuer_mismatch', url, `\`issuer\` is ${show(document.issuer)}, not ${issuer}.`));
  if (document.jwks_uri !== `${issuer}/jwks`)
    findings.push(finding('jwks_uri_wrong', url, `\`jwks_uri\` is ${show(document.jwks_uri)}, not ${issuer}/jwks.`));
  for (const [member, values] of Object.entries(NEEDED)) {
    const held = document[member];
    const missing = values.filter((value) => !Array.isArray(held) || !held.includes(value));
    if (missing.length > 0)
      findings.push(finding('metadata_missing', url, `\`${member}\` lacks ${missing.join(', ')}.`));
  }
  for (const [member, value] of Object.entries(expected)) {
    if (member === 'issuer' || member === 'jwks_uri' || typeof value !== 'string') continue;
    if (document[member] !== value)
      findings.push(finding('altered', url, `\`${member}\` is ${show(document[member])}, not ${value}.`));
  }
  return findings;
}

function keyFault(key: Record<string, unknown>): string | undefined {
  if (typeof key.kid !== 'string' || key.kid === '') return 'A key has no `kid`.';
  const refused = REFUSED_MEMBERS.find((member) => Object.hasOwn(key, member));
  if (refused) return `The key ${key.kid.slice(0, 100)} has \`${refused}\`.`;
  if (key.use !== undefined && key.use !== 'sig') return `The key ${key.kid.slice(0, 100)} is not for signatures.`;
  return undefined;
}

export async function judgeKeys(
  url: string,
  document: Record<string, unknown>,
  { findKey, signing = [] }: Expected,
): Promise<Finding[]> {
  const keys = (Array.isArray(document.keys) ? document.keys : []).filter(
    (key): key is Record<string, unknown> => typeof key === 'object' && key !== null,
  );
  if (keys.length === 0) return [finding('no_keys', url, 'The JWKS holds no key.')];
  const findings: Finding[] = [];
  for (const key of keys) {
    const fault = keyFault(key);
    if (fault) {
      findings.push(finding('key_unusable', url, fault));
      continue;
    }
    const kid = key.kid as string;
    const ours = await findKey?.(kid);
    if (findKey && !ours)
      findings.push(finding('altered', url, `The key ${kid.slice(0, 100)} was never one of this issuer.`));
    else if (ours && Object.entries(ours).some(([member, value]) => key[member] !== value))
      findings.push(finding('altered', url, `The key ${kid} is another than the one of that kid.`));
  }
  const served = new Set(keys.map((key) => key.kid));
  for (const kid of signing)
    if (!served.has(kid)) findings.push(finding('signing_key_missing', url, `The JWKS lacks ${kid}, which signs.`));
  return findings;
}
