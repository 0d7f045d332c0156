// OIDC providers: one for each issuer URL of an account, made only of an issuer that answers.
import { authorize } from '../policy/authorize.ts';
import { isLoopback } from '../loopback.ts';
import { DEADLINE_MS, fetchDiscovery } from '../sts/discovery.ts';
import { alreadyExists, AwsError, limitExceeded, noSuchEntity, validationError } from '../wire/error.ts';
import { checkLength, constraintError } from '../wire/form.ts';
import type { Actor, Provider, Tag } from '../world.ts';
import { checkTags, iamArn } from './names.ts';

export interface ProviderInput {
  url: string;
  clientIds: string[];
  thumbprints: string[];
  tags: Tag[];
}

const MAX_PROVIDERS = 100;
const MAX_CLIENT_IDS = 100;

/** What stands in the ARN and in front of the condition keys. */
export function hostAndPath(url: string): string {
  return url.replace(/^https?:\/\//, '');
}

/** https, a path, no query, no port; http and a port on loopback alone. @throws AwsError ValidationError */
function checkUrl(url: string): void {
  checkLength('Url', url, 1, 255);
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const loopback = parsed !== undefined && isLoopback(parsed.hostname);
  const scheme = parsed?.protocol === 'https:' || (loopback && parsed.protocol === 'http:');
  const plain = parsed && !parsed.username && !parsed.password && !/[?#\s]/.test(url);
  // `URL` drops a default port, so it is looked for in the text: https://host:443 is refused too.
  const port = /^https?:\/\/[^/]*:\d*(\/|$)/.test(url.replace(/\[[^\]]*\]/, ''));
  if (!scheme || !plain || (port && !loopback)) throw validationError('Invalid Open ID Connect Provider URL');
}

export function checkClientId(clientId: string): void {
  checkLength('ClientID', clientId, 1, 255);
}

function checkClientIds(clientIds: readonly string[]): void {
  if (clientIds.length > MAX_CLIENT_IDS) {
    throw limitExceeded(`Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: ${MAX_CLIENT_IDS}`);
  }
  clientIds.forEach(checkClientId);
}

export function checkThumbprints(thumbprints: readonly string[]): void {
  if (thumbprints.length > 5) throw new AwsError('InvalidInput', 'Thumbprint list must contain fewer than 5 entries.');
  for (const thumbprint of thumbprints) {
    if (!/^[0-9A-Fa-f]{40}$/.test(thumbprint)) {
      throw constraintError('ThumbprintList', thumbprint, 'Member must have length 40 and be hexadecimal');
    }
  }
}

async function contactIssuer(actor: Actor, url: string): Promise<void> {
  try {
    await fetchDiscovery(url, AbortSignal.timeout(DEADLINE_MS));
  } catch (cause) {
    actor.world.log({ event: 'issuer unusable', issuer: url, reason: (cause as Error).message });
    throw new AwsError('OpenIdIdpCommunicationError', 'Failed to connect to OpenID Connect issuer url');
  }
}

/** @throws AwsError ValidationError, EntityAlreadyExists, LimitExceeded, OpenIdIdpCommunicationError */
export async function createProvider(actor: Actor, input: ProviderInput): Promise<Provider> {
  checkUrl(input.url);
  checkClientIds(input.clientIds);
  checkThumbprints(input.thumbprints);
  checkTags(input.tags);
  const { providers } = actor.account;
  const arn = iamArn(actor, `oidc-provider/${hostAndPath(input.url)}`);
  authorize(actor, 'iam:CreateOpenIDConnectProvider', arn);
  const checkRoom = (): void => {
    if (providers.has(arn)) throw alreadyExists(`Provider with url ${input.url} already exists.`);
    if (providers.size >= MAX_PROVIDERS) {
      throw limitExceeded(`Cannot exceed quota for OpenIdConnectProvidersPerAccount: ${MAX_PROVIDERS}`);
    }
  };
  checkRoom();
  await contactIssuer(actor, input.url);
  // Another call may have made it while the issuer was answering.
  checkRoom();
  const provider: Provider = {
    ...input,
    arn,
    createdAt: actor.world.now(),
    clientIds: [...new Set(input.clientIds)],
  };
  providers.set(arn, provider);
  return provider;
}

/** @param action what the caller wants with it, e.g. `iam:GetOpenIDConnectProvider` */
export function requireProvider(actor: Actor, arn: string, action: string): Provider {
  checkLength('OpenIDConnectProviderArn', arn, 20, 2048);
  authorize(actor, action, arn);
  const provider = actor.account.providers.get(arn);
  if (!provider) throw noSuchEntity(`OpenIDConnect Provider not found for arn ${arn}`);
  return provider;
}

/** Deleting what is not there is no error. */
export function deleteProvider(actor: Actor, arn: string): void {
  checkLength('OpenIDConnectProviderArn', arn, 20, 2048);
  authorize(actor, 'iam:DeleteOpenIDConnectProvider', arn);
  actor.account.providers.delete(arn);
}

export function addClientId(actor: Actor, arn: string, clientId: string): void {
  const provider = requireProvider(actor, arn, 'iam:AddClientIDToOpenIDConnectProvider');
  const clientIds = [...new Set([...provider.clientIds, clientId])];
  checkClientIds(clientIds);
  provider.clientIds = clientIds;
}

export function removeClientId(actor: Actor, arn: string, clientId: string): void {
  const provider = requireProvider(actor, arn, 'iam:RemoveClientIDFromOpenIDConnectProvider');
  checkClientId(clientId);
  provider.clientIds = provider.clientIds.filter((known) => known !== clientId);
}

export function updateThumbprints(actor: Actor, arn: string, thumbprints: string[]): void {
  const provider = requireProvider(actor, arn, 'iam:UpdateOpenIDConnectProviderThumbprint');
  checkThumbprints(thumbprints);
  provider.thumbprints = thumbprints;
}
