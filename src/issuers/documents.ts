// Discovery and JWKS: pure functions of configuration and ring. AWS names what it needs of them; OIDC wants RS256 listed.
import { createHash } from 'node:crypto';
import { publishedJwk, SIGNATURE_ALGORITHMS } from '../keys/algorithms.ts';
import type { Ring } from '../keys/facts.ts';
import { publishedKeys } from '../keys/timeline.ts';

/** The issuer id of the platform itself. */
export const PLATFORM = 'platform';

export interface IssuerUrls {
  /** ISSUER_URL, without a trailing slash. */
  issuerUrl: string;
  /** INTERNAL_URL, without a trailing slash. */
  internalUrl: string;
}

/** `<ISSUER_URL>/c/<issuer id>`: the `iss` of a connection's tokens, to the letter. */
export function connectionIssuerUrl(issuerUrl: string, issuer: string): string {
  return `${issuerUrl}/c/${issuer}`;
}

export function issuerUrlOf(issuerUrl: string, issuer: string): string {
  return issuer === PLATFORM ? issuerUrl : connectionIssuerUrl(issuerUrl, issuer);
}

/** Below an issuer's URL. */
export const DOCUMENT_PATHS = { discovery: '/.well-known/openid-configuration', jwks: '/jwks' } as const;

/** OpenID Connect Discovery 1.0, section 3. */
export function discoveryDocument(urls: IssuerUrls, issuer: string): object {
  const url = issuerUrlOf(urls.issuerUrl, issuer);
  const common = {
    issuer: url,
    jwks_uri: `${url}${DOCUMENT_PATHS.jwks}`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256', 'RS256'],
    claims_supported: ['aud', 'iat', 'iss', 'sub'],
  };
  if (issuer !== PLATFORM) return common;
  return {
    ...common,
    token_endpoint: `${urls.internalUrl}/oauth2/token`,
    grant_types_supported: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
    // A workload asserts by its own key, or by a token of a trusted issuer; an exchange has nothing but its subject token.
    token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
    token_endpoint_auth_signing_alg_values_supported: SIGNATURE_ALGORITHMS,
  };
}

/** RFC 7517: the published keys of an issuer's rings at `now`, oldest first. */
export function jwksDocument(rings: readonly Ring[], now: number): object {
  const keys = rings.flatMap((ring) =>
    publishedKeys(ring.keys, now)
      .sort((a, b) => a.publishedAt - b.publishedAt || a.kid.localeCompare(b.kid))
      .map((key) => publishedJwk(ring.algorithm, key.kid, key.public)),
  );
  return { keys };
}

/** A strong entity tag (RFC 9110, section 8.8.3) of a body. */
export function entityTag(body: string): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
}
