// Who signed a request: the owner of an account, or a session that the sandbox issued.
import { timingSafeEqual } from 'node:crypto';
import { AwsError } from './wire/error.ts';
import type { WireRequest } from './wire/request.ts';
import { readSignature, verifySignature } from './wire/sigv4.ts';
import type { Actor, Session, World } from './world.ts';
import { accountOf, partitionOf } from './world.ts';

function invalidToken(): AwsError {
  return new AwsError('InvalidClientTokenId', 'The security token included in the request is invalid.', 403);
}

function sameToken(given: string | undefined, wanted: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function actorOfSession(world: World, session: Session, region: string): Omit<Actor, 'sourceIp' | 'requestId'> {
  return {
    world,
    region,
    session,
    account: accountOf(world, session.accountId),
    partition: session.partition,
    arn: `arn:${session.partition}:sts::${session.accountId}:assumed-role/${session.roleName}/${session.sessionName}`,
    userId: `${session.roleId}:${session.sessionName}`,
  };
}

/**
 * @param service the one that the credential scope must name, e.g. `sts`
 * @throws AwsError InvalidClientTokenId, SignatureDoesNotMatch, ExpiredToken, …
 */
export function identifyCaller(world: World, request: WireRequest, service: string, requestId: string): Actor {
  const signature = readSignature(request);
  if (signature.service !== service) {
    throw new AwsError('SignatureDoesNotMatch', `Credential should be scoped to correct service: '${service}'. `, 403);
  }
  const { accessKeyId, region, securityToken } = signature;
  const rest = { sourceIp: request.sourceIp, requestId };
  const session = world.sessions.get(accessKeyId);
  if (session) {
    if (!sameToken(securityToken, session.token)) throw invalidToken();
    verifySignature(request, signature, session.secretAccessKey, world.now());
    if (world.now() >= session.expiresAt) {
      throw new AwsError('ExpiredToken', 'The security token included in the request is expired', 403);
    }
    if (partitionOf(region) !== session.partition) throw invalidToken();
    return { ...actorOfSession(world, session, region), ...rest };
  }
  const account = world.owners.get(accessKeyId);
  if (!account || securityToken !== undefined) throw invalidToken();
  verifySignature(request, signature, account.owner.secretAccessKey, world.now());
  const partition = partitionOf(region);
  return {
    world,
    account,
    region,
    partition,
    session: undefined,
    arn: `arn:${partition}:iam::${account.accountId}:root`,
    userId: account.accountId,
    ...rest,
  };
}
