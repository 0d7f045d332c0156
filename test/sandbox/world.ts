// A sandbox, an issuer and one account with a provider and a role that trusts it: where most of the sandbox's tests begin.
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  IAMClient,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam';
import type {
  AssumeRoleWithWebIdentityCommandInput,
  AssumeRoleWithWebIdentityCommandOutput,
} from '@aws-sdk/client-sts';
import { AssumeRoleWithWebIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import type { Test } from 'tap';
import type { Sandbox, SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import type { Claims, Issuer } from './issuer.ts';
import { sign, startIssuer } from './issuer.ts';

export const ACCOUNT = '123456789012';
export const SUBJECT = 'cn_test';
export const ROLE_ARN = `arn:aws:iam::${ACCOUNT}:role/countersign`;

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface TestClock {
  now: number;
}

export function clients(
  url: string,
  credentials: Credentials,
  region = 'us-east-1',
): { sts: STSClient; iam: IAMClient; cfn: CloudFormationClient } {
  const options = { endpoint: url, region, credentials, maxAttempts: 1 };
  return { sts: new STSClient(options), iam: new IAMClient(options), cfn: new CloudFormationClient(options) };
}

/** What a call was refused with: the code on the wire, the HTTP status, and the message. */
export interface Refusal {
  code: string;
  status: number;
  message: string;
}

export async function refusal(call: Promise<unknown>): Promise<Refusal> {
  try {
    await call;
  } catch (error) {
    const { name, message, $metadata, Code } = error as Error & {
      Code?: string;
      $metadata?: { httpStatusCode?: number };
    };
    return { code: Code ?? name, status: $metadata?.httpStatusCode ?? 0, message };
  }
  return { code: 'none', status: 200, message: 'the call was allowed' };
}

export function trustPolicy(
  issuer: Issuer,
  changes: { action?: unknown; condition?: unknown; effect?: string; principal?: unknown } = {},
): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: changes.effect ?? 'Allow',
        Principal: changes.principal ?? { Federated: `arn:aws:iam::${ACCOUNT}:oidc-provider/${issuer.hostAndPath}` },
        Action: changes.action ?? 'sts:AssumeRoleWithWebIdentity',
        Condition: changes.condition ?? {
          StringEquals: { [`${issuer.hostAndPath}:aud`]: 'sts.amazonaws.com', [`${issuer.hostAndPath}:sub`]: SUBJECT },
        },
      },
    ],
  });
}

export interface TestWorld {
  sandbox: Sandbox;
  issuer: Issuer;
  clock: TestClock;
  sts: STSClient;
  iam: IAMClient;
  cfn: CloudFormationClient;
  /** A good token's claims, but for the changes; undefined leaves one out. */
  claims(changes?: Claims): Claims;
  token(changes?: Claims, header?: Record<string, unknown>): Promise<string>;
  assume(changes?: Partial<AssumeRoleWithWebIdentityCommandInput>): Promise<AssumeRoleWithWebIdentityCommandOutput>;
  trust(policy: string): Promise<unknown>;
}

export async function createWorld(
  t: Test,
  options: SandboxOptions & { issuerPath?: string; clockAt?: number } = {},
): Promise<TestWorld> {
  const issuer = await startIssuer(options.issuerPath);
  const clock: TestClock = { now: options.clockAt ?? Date.now() };
  const sandbox = await startSandbox({ clock: () => clock.now, ...options });
  const { sts, iam, cfn } = clients(sandbox.url, sandbox.account(ACCOUNT));
  // No credentials at all: the call is unsigned, and nothing of the owner may help it.
  const stranger = new STSClient({
    endpoint: sandbox.url,
    region: 'us-east-1',
    maxAttempts: 1,
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
  });
  t.teardown(async () => {
    await sandbox.close();
    await issuer.close();
  });
  await iam.send(new CreateOpenIDConnectProviderCommand({ Url: issuer.url, ClientIDList: ['sts.amazonaws.com'] }));
  await iam.send(new CreateRoleCommand({ RoleName: 'countersign', AssumeRolePolicyDocument: trustPolicy(issuer) }));
  const claims: TestWorld['claims'] = (changes = {}) => {
    const now = Math.floor(clock.now / 1000);
    const all = {
      iss: issuer.url,
      sub: SUBJECT,
      aud: 'sts.amazonaws.com',
      iat: now,
      exp: now + 120,
      jti: 'j',
      ...changes,
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  };
  const token: TestWorld['token'] = (changes, header) => sign(issuer.key, claims(changes), header);
  return {
    sandbox,
    issuer,
    clock,
    sts,
    iam,
    cfn,
    claims,
    token,
    assume: async (changes = {}) =>
      stranger.send(
        new AssumeRoleWithWebIdentityCommand({
          RoleArn: ROLE_ARN,
          RoleSessionName: 'session',
          WebIdentityToken: changes.WebIdentityToken ?? (await token()),
          ...changes,
        }),
      ),
    trust: (policy) => iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: 'countersign', PolicyDocument: policy })),
  };
}

/** Clients with the session credentials of an answer. */
export function sessionClients(
  sandbox: Sandbox,
  { Credentials: given }: AssumeRoleWithWebIdentityCommandOutput,
  region = 'us-east-1',
): ReturnType<typeof clients> {
  const credentials = {
    accessKeyId: given?.AccessKeyId ?? '',
    secretAccessKey: given?.SecretAccessKey ?? '',
    sessionToken: given?.SessionToken ?? '',
  };
  return clients(sandbox.url, credentials, region);
}

export function policy(...statements: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

export function allow(Action: unknown): object {
  return { Effect: 'Allow', Action, Resource: '*' };
}

export function deny(Action: unknown): object {
  return { Effect: 'Deny', Action, Resource: '*' };
}

/** What tests compare most: a call let in, and one that was not. */
export const OK = { SubjectFromWebIdentityToken: SUBJECT };
export const DENIED: Refusal = {
  code: 'AccessDenied',
  status: 403,
  message: 'Not authorized to perform sts:AssumeRoleWithWebIdentity',
};
