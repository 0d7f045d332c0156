// What may be trusted: somebody else, by a URL in one spelling, with keys that verify something, for an audience that is ours.
import type { Login } from '../db/federation-types.ts';
import { Problem } from '../errors.ts';
import { isReservedAudience } from '../tokens/audiences.ts';
import { readJwks } from './jwks.ts';
import { KIND } from './kinds.ts';
import type { NewTrustedIssuer, TrustedIssuerChange } from './schema.ts';
import { loginOf } from './sign-in.ts';
import type { TrustedIssuer, TrustedIssuerToInsert } from './store.ts';

function refuse(detail: string, hint: string): Problem {
  return new Problem('trusted_issuer_refused', detail, { hint });
}

/** Whether tokens of this `iss` are our own: they prove nothing here, or one token would live on by being exchanged. */
export function isOurs(issuer: string, issuerUrl: string): boolean {
  const url = URL.parse(issuer);
  return issuer === issuerUrl || issuer.startsWith(`${issuerUrl}/`) || url?.origin === new URL(issuerUrl).origin;
}

function requirePlainUrl(name: string, value: string): void {
  const url = URL.parse(value);
  if (!url || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '' || /[?#]/.test(value))
    throw refuse(`${name} is not a URL without query, fragment and user.`, 'Give it as its tokens carry it in `iss`.');
}

/** @throws Problem `trusted_issuer_refused` */
function requireLoginSound({ login, kind, jwks, issuer, audience }: TrustedIssuerToInsert, issuerUrl: string): void {
  if (login === null) return;
  if (kind !== 'oidc' || jwks !== null || !issuer.startsWith('http'))
    throw refuse('People sign in at an issuer of kind oidc whose keys are fetched.', 'Trust the company’s own issuer.');
  // By its audience a token is of a person or of a platform, and never of both.
  if (login.client_id === audience || login.client_id === issuerUrl || login.client_id.startsWith(`${issuerUrl}/`))
    throw refuse(
      `login.client_id ${login.client_id} is an audience that a platform's tokens have here.`,
      "Register a client of the command's own at that issuer, and give its client_id.",
    );
}

/** @throws Problem `trusted_issuer_refused`, `audience_refused` */
function requireSound(issuer: TrustedIssuerToInsert, issuerUrl: string): void {
  requirePlainUrl('issuer', issuer.issuer);
  requireLoginSound(issuer, issuerUrl);
  if (isOurs(issuer.issuer, issuerUrl))
    throw refuse('This service does not trust itself as an issuer.', 'A token of ours is shown as it is.');
  if (issuer.jwks_uri !== null && issuer.jwks !== null)
    throw refuse('jwks_uri and jwks are both given.', 'Pin where its keys are, or paste them.');
  if (issuer.jwks_uri !== null) requirePlainUrl('jwks_uri', issuer.jwks_uri);
  if (!issuer.issuer.startsWith('http') && issuer.jwks_uri === null && issuer.jwks === null)
    throw refuse(`Discovery needs an https issuer, and ${issuer.issuer} is none.`, 'Pin jwks_uri, or paste the JWKS.');
  if (issuer.jwks !== null) {
    const keys = readJwks(issuer.jwks, KIND[issuer.kind].use);
    const dropped = issuer.jwks.keys.length - (keys?.size ?? 0);
    if (dropped !== 0)
      throw refuse(
        `${dropped} of these keys cannot verify anything.`,
        'Each needs a kid of its own, use sig, and P-256, P-384, P-521, or RSA of 2048 to 8192 bits with exponent 65537.',
      );
    if (![...(keys?.values() ?? [])].some((key) => key.algorithms.some((name) => issuer.algorithms.includes(name))))
      throw refuse('None of these keys goes with one of the algorithms.', 'Name the algorithm that it signs with.');
  }
  if (issuer.one_time && KIND[issuer.kind].oneTime === 'never')
    throw refuse(
      `Tokens of ${issuer.kind} are shown many times: they cannot be one-time.`,
      'Leave one_time out, and let the token live for as short as the platform allows.',
    );
  if (issuer.audience !== null && issuer.audience !== issuerUrl && isReservedAudience(issuer.audience, issuerUrl))
    throw new Problem('audience_refused', `The audience "${issuer.audience}" is not one for the token endpoint.`, {
      hint: `Use ${issuerUrl}: what is below it is for the endpoints there, and a cloud's own would make its tokens ours.`,
    });
}

/** `openid` is what makes it a sign-in. */
function readLogin(given: NewTrustedIssuer['login']): Login | null {
  return given ? { client_id: given.client_id, scopes: [...new Set(['openid', ...(given.scopes ?? [])])] } : null;
}

/** @throws Problem `trusted_issuer_refused`, `audience_refused` */
export function readNew(given: NewTrustedIssuer, id: string, issuerUrl: string): TrustedIssuerToInsert {
  const kind = KIND[given.kind];
  const issuer: TrustedIssuerToInsert = {
    ...{ id, name: given.name, kind: given.kind, issuer: given.issuer, state: 'active' },
    audience: given.audience ?? null,
    algorithms: given.algorithms ?? [...kind.algorithms],
    jwks_uri: given.jwks_uri ?? null,
    jwks: given.jwks ?? null,
    one_time: given.one_time ?? kind.oneTime === 'default',
    login: readLogin(given.login),
    max_token_seconds: given.max_token_seconds ?? kind.maxTokenSeconds,
  };
  requireSound(issuer, issuerUrl);
  return issuer;
}

/** @throws Problem `trusted_issuer_refused`, `audience_refused` */
export function readChange(issuer: TrustedIssuer, change: TrustedIssuerChange, issuerUrl: string): TrustedIssuer {
  const { login, ...others } = change;
  // Whoever says how people sign in has looked at the rest.
  const looked = login === undefined ? {} : { login: readLogin(login), login_version: issuer.version };
  const changed = { ...issuer, ...others, ...looked };
  requireSound(changed, issuerUrl);
  return changed;
}

export interface Warning {
  code: string;
  detail: string;
}

export function warningsOf(issuer: TrustedIssuer, issuerUrl: string): Warning[] {
  const warnings: Warning[] = [];
  if (issuer.audience !== null && issuer.audience !== issuerUrl)
    warnings.push({
      code: 'audience_shared',
      detail: `Whoever is shown a token for ${issuer.audience} can show it here.`,
    });
  if (issuer.jwks !== null)
    warnings.push({
      code: 'keys_pasted',
      detail: 'These keys stay until somebody changes them: put its next key in before it signs with it.',
    });
  if (issuer.login && !loginOf(issuer))
    warnings.push({
      code: 'login_left_behind',
      detail: 'It was changed by an older version of this service: nobody signs in until login is given again.',
    });
  if (issuer.issuer.startsWith('http:'))
    warnings.push({ code: 'not_https', detail: 'Whoever is on the way to it can put keys of theirs in its place.' });
  return warnings;
}
