// Session policies and their packed size, and the session credentials themselves.
import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { findManagedPolicy } from '../policy/authorize.ts';
import { parsePolicy } from '../policy/document.ts';
import { AwsError, malformedPolicy } from '../wire/error.ts';
import type { Account, Provider, Role, Session, World } from '../world.ts';
import { createAwsId, createSecret } from '../world.ts';
import type { Claims } from './claims.ts';
import type { AssumeRequest } from './request.ts';

/** A bare token already uses a quarter; AWS does not say how the rest is counted, so this much room is a guess. */
const BARE_PERCENT = 25;
const PACKED_BYTES_LEFT = 1024;

/** The oldest are forgotten, so that a load test does not fill the memory. */
const MAX_SESSIONS = 100_000;

/** @returns percent of the allotted space. @throws AwsError PackedPolicyTooLarge */
export function packedSize(request: AssumeRequest, claims: Claims): number {
  const tags = claims.tags.map(({ key, value }) => `${key}\0${value}`);
  const parts = [request.policy ?? '', ...request.policyArns, ...tags, ...claims.transitive].filter(
    (part) => part !== '',
  );
  if (parts.length === 0) return BARE_PERCENT;
  const bytes = deflateRawSync(parts.join('\n'), { level: 9 }).length;
  const percent = BARE_PERCENT + Math.ceil((bytes / PACKED_BYTES_LEFT) * (100 - BARE_PERCENT));
  if (percent > 100) {
    const what = claims.tags.length > 0 ? 'Packed size of session tags consumes' : 'Packed policy consumes';
    const advice = claims.tags.length > 0 ? '.' : ', please use smaller policy.';
    throw new AwsError('PackedPolicyTooLarge', `${what} ${percent}% of allotted space${advice}`);
  }
  return percent;
}

/** @throws AwsError MalformedPolicyDocument */
export function sessionPolicies(account: Account, request: AssumeRequest): Session['policies'] {
  if (request.policy === undefined && request.policyArns.length === 0) return undefined;
  for (const arn of request.policyArns) {
    const known = arn.startsWith(`arn:${request.partition}:`) && findManagedPolicy(account, arn);
    if (!known) throw malformedPolicy(`Policy ${arn} does not exist or is not attachable.`);
  }
  const inline = request.policy === undefined ? undefined : parsePolicy(request.policy, 'session');
  return { inline, arns: [...request.policyArns] };
}

/** Sessions cannot be recalled: this one is good until its time is up, whatever becomes of token, key or role. */
export function issueSession(
  world: World,
  request: AssumeRequest,
  role: Role,
  provider: Provider,
  claims: Claims,
  policies: Session['policies'],
): Session {
  const issuedAt = world.now();
  const session: Session = {
    accessKeyId: createAwsId('ASIA', 20),
    secretAccessKey: createSecret(),
    token: `IQoJb3JpZ2luX2Vj${randomBytes(480).toString('base64')}`,
    accountId: request.accountId,
    partition: request.partition,
    roleName: role.name,
    roleId: role.roleId,
    sessionName: request.sessionName,
    policies,
    tags: [...claims.tags],
    sourceIdentity: claims.sourceIdentity,
    providerArn: provider.arn,
    issuedAt,
    // Whole seconds, as the answer shows them.
    expiresAt: Math.floor(issuedAt / 1000) * 1000 + request.durationSeconds * 1000,
  };
  world.sessions.set(session.accessKeyId, session);
  const [oldest] = world.sessions.keys();
  if (world.sessions.size > MAX_SESSIONS && oldest !== undefined) world.sessions.delete(oldest);
  return session;
}
