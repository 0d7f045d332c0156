// Audiences of workload tokens: identifiers under ISSUER_URL, and those that nobody may ever mint.

/** The API itself. */
export function apiAudience(issuerUrl: string): string {
  return `${issuerUrl}/v1`;
}

/** Every connection granted. */
export function credentialsAudience(issuerUrl: string): string {
  return `${issuerUrl}/v1/credentials`;
}

/** One connection; by its id, never by its reference. */
export function connectionAudience(issuerUrl: string, connection: string): string {
  return `${issuerUrl}/v1/connections/${connection}/credentials`;
}

export type Audience = { kind: 'api' } | { kind: 'credentials' } | { kind: 'connection'; connection: string };

/** What an audience under ISSUER_URL stands for; undefined for anything else. */
export function parseAudience(issuerUrl: string, audience: string): Audience | undefined {
  if (audience === apiAudience(issuerUrl)) return { kind: 'api' };
  if (audience === credentialsAudience(issuerUrl)) return { kind: 'credentials' };
  const match = /^\/v1\/connections\/(cn_[a-z2-7]{26})\/credentials$/.exec(audience.slice(issuerUrl.length));
  return match && audience.startsWith(issuerUrl) ? { kind: 'connection', connection: match[1] as string } : undefined;
}

/** What clouds take as the audience of a federated token: one of ours with it would be a key to somebody's account. */
const CLOUDS = [
  /(^|[./])amazonaws\.com(\.cn)?([:/]|$)/i,
  /(^|[./])(api\.aws|amazonaws\.eu|on\.aws|aws\.amazon\.com)([:/]|$)/i,
  /(^|[./])(googleapis|google|gcp)\.com([:/]|$)/i,
  /^api:\/\/azureadtokenexchange/i,
  /(^|[./])(windows\.net|microsoftonline\.com|azure\.com|microsoft\.com|azure\.cn|azure\.us)([:/]|$)/i,
  /^(projects|locations)\/|\/workloadidentitypools\//i,
];

/** Whether no workload may have this audience: the issuer and everything below it, or a cloud's own. */
export function isReservedAudience(audience: string, issuerUrl: string): boolean {
  const folded = audience.trim().toLowerCase();
  const issuer = issuerUrl.toLowerCase();
  const host = issuer.replace(/^https?:\/\//, '');
  const bare = folded.replace(/^[a-z][a-z0-9+.-]*:\/\//, '');
  if (bare === host || bare.startsWith(`${host}/`) || bare.startsWith(`${host}?`) || bare.startsWith(`${host}#`))
    return true;
  return CLOUDS.some((pattern) => pattern.test(folded));
}
