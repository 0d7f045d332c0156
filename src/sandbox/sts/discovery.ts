// An issuer's discovery document, read and checked as AWS does before it looks for keys.
import type { FetchedDocument } from './fetch-document.ts';
import { fetchDocument } from './fetch-document.ts';

/** Discovery and JWKS together must answer in less than this. */
export const DEADLINE_MS = 5000;

export interface Discovery {
  jwksUri: URL;
  algorithms: readonly string[];
}

function listed(document: Record<string, unknown>, member: string, ...wanted: string[]): string[] {
  const value = document[member];
  if (!Array.isArray(value)) throw new Error(`the discovery document has no ${member}`);
  for (const one of wanted) {
    if (!value.includes(one)) throw new Error(`${member} of the discovery document does not list ${one}`);
  }
  return value as string[];
}

export async function fetchDiscovery(issuer: string, signal: AbortSignal): Promise<Discovery> {
  const url = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const { value }: FetchedDocument = await fetchDocument(url, signal);
  if (typeof value !== 'object' || value === null) throw new Error('the discovery document is not an object');
  const document = value as Record<string, unknown>;
  if (document['issuer'] !== issuer) throw new Error('issuer of the discovery document is not the provider URL');
  listed(document, 'claims_supported', 'aud', 'iat', 'iss', 'sub');
  listed(document, 'response_types_supported', 'id_token');
  listed(document, 'subject_types_supported', 'public');
  const algorithms = listed(document, 'id_token_signing_alg_values_supported', 'RS256');
  const jwksUri = document['jwks_uri'];
  if (typeof jwksUri !== 'string' || !URL.canParse(jwksUri)) throw new Error('the discovery document has no jwks_uri');
  return { jwksUri: new URL(jwksUri), algorithms };
}
