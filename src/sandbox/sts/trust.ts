// Whether a role's trust policy lets this token in, with all that the token brings along.
import { evaluate } from '../policy/evaluate.ts';
import type { Context } from '../policy/match.ts';
import { createContext } from '../policy/match.ts';
import { zulu } from '../wire/xml.ts';
import type { Provider, Role } from '../world.ts';
import type { Claims } from './claims.ts';

export interface TrustRequest {
  provider: Provider;
  claims: Claims;
  sessionName: string;
  sourceIp: string;
  /** Milliseconds since the epoch. */
  now: number;
}

/** Only aud, sub, amr, email and oaud of such an issuer become condition keys; no other claim does. */
function contextOf({ provider, claims, sessionName, sourceIp, now }: TrustRequest): Context {
  const prefix = provider.url.replace(/^https?:\/\//, '');
  return createContext({
    [`${prefix}:aud`]: claims.audience,
    [`${prefix}:oaud`]: claims.audiences,
    [`${prefix}:sub`]: claims.subject,
    [`${prefix}:amr`]: claims.amr,
    [`${prefix}:email`]: claims.email,
    'sts:RoleSessionName': sessionName,
    'sts:SourceIdentity': claims.sourceIdentity,
    'sts:RoleAuthorizedByIdp': String(claims.roles !== undefined),
    'sts:TransitiveTagKeys': claims.transitive,
    'aws:TagKeys': claims.tags.map(({ key }) => key),
    ...Object.fromEntries(claims.tags.map(({ key, value }) => [`aws:RequestTag/${key}`, value])),
    'aws:FederatedProvider': provider.arn,
    'aws:SourceIp': sourceIp,
    'aws:SecureTransport': 'true',
    'aws:CurrentTime': zulu(now),
    'aws:EpochTime': String(Math.floor(now / 1000)),
  });
}

/** Tags and a source identity need actions of their own; without them the whole call is denied. */
export function trusts(role: Role, request: TrustRequest): boolean {
  const { provider, claims } = request;
  const context = contextOf(request);
  const actions = ['sts:AssumeRoleWithWebIdentity'];
  if (claims.tags.length > 0) actions.push('sts:TagSession');
  if (claims.sourceIdentity !== undefined) actions.push('sts:SetSourceIdentity');
  return actions.every((action) => evaluate([role.trust], { action, federated: provider.arn, context }) === 'allow');
}
