// AssumeRoleWithWebIdentity, the whole story: token, provider, key, claims, trust, limits, session.
import { accessDenied, invalidIdentityToken, validationError } from '../wire/error.ts';
import type { Form } from '../wire/form.ts';
import type { Xml } from '../wire/xml.ts';
import { zulu } from '../wire/xml.ts';
import type { Account, Provider, Role, World } from '../world.ts';
import { readClaims } from './claims.ts';
import type { AssumeRequest } from './request.ts';
import { readAssumeRequest } from './request.ts';
import { issueSession, packedSize, sessionPolicies } from './sessions.ts';
import { trusts } from './trust.ts';
import { readToken, verifyToken } from './web-identity-token.ts';

/** One answer for a trust policy that says no, a missing permission to tag, no such role, and one too new. */
function notAuthorized(): Error {
  return accessDenied('Not authorized to perform sts:AssumeRoleWithWebIdentity');
}

/** The issuer's provider in this account: the URL is compared as it is, case and trailing slash included. */
function requireProvider(account: Account | undefined, issuer: unknown): { account: Account; provider: Provider } {
  if (issuer === undefined) throw invalidIdentityToken('Missing a required claim: iss');
  const provider = account?.providers.values().find(({ url }) => url === issuer);
  if (account && provider) return { account, provider };
  const shown = typeof issuer === 'string' ? issuer.slice(0, 255) : 'this issuer';
  throw invalidIdentityToken(`No OpenIDConnect provider found in your account for ${shown}`);
}

function findRole(account: Account, request: AssumeRequest): Role | undefined {
  const role = account.roles.get((request.rolePath.split('/').at(-1) as string).toLowerCase());
  return role?.arn === request.roleArn ? role : undefined;
}

/** What was created a moment ago is not yet known everywhere. */
function settled(world: World, ...createdAt: (number | undefined)[]): boolean {
  const { consistencyDelayMs } = world.options;
  return createdAt.every((at) => at === undefined || world.now() - at >= consistencyDelayMs);
}

/** @param sourceIp of the caller, for conditions on aws:SourceIp */
export async function assumeRoleWithWebIdentity(world: World, form: Form, sourceIp: string): Promise<Xml> {
  const request = readAssumeRequest(form);
  const token = readToken(request.token);
  const { account, provider } = requireProvider(world.accounts.get(request.accountId), token.claims['iss']);
  const role = findRole(account, request);
  if (!settled(world, provider.createdAt, role?.createdAt)) throw notAuthorized();

  await verifyToken(world, provider.url, token);
  const claims = readClaims(token.claims, provider, world.now());
  if (claims.roles && !claims.roles.includes(request.roleArn)) {
    throw invalidIdentityToken('The target role ARN is not present in the roles claim of the identity token');
  }
  const { sessionName } = request;
  if (!role || !trusts(role, { provider, claims, sessionName, sourceIp, now: world.now() })) throw notAuthorized();
  if (request.durationSeconds > role.maxSessionDuration) {
    throw validationError('The requested DurationSeconds exceeds the MaxSessionDuration set for this role.');
  }
  const policies = sessionPolicies(account, request);
  const percent = packedSize(request, claims);
  const session = issueSession(world, request, role, provider, claims, policies);
  return {
    SubjectFromWebIdentityToken: claims.subject,
    Audience: claims.audience,
    AssumedRoleUser: {
      Arn: `arn:${session.partition}:sts::${session.accountId}:assumed-role/${role.name}/${sessionName}`,
      AssumedRoleId: `${role.roleId}:${sessionName}`,
    },
    Credentials: {
      AccessKeyId: session.accessKeyId,
      SecretAccessKey: session.secretAccessKey,
      SessionToken: session.token,
      Expiration: zulu(session.expiresAt),
    },
    Provider: provider.arn,
    PackedPolicySize: percent,
    SourceIdentity: session.sourceIdentity,
  };
}
