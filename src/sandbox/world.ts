// What the sandbox knows: accounts and what is in them, sessions issued, and the clock.
import { randomBytes } from 'node:crypto';
import type { PolicyDocument } from './policy/document.ts';
import type { Stack } from './cloudformation/stack.ts';
import type { CachedJwks } from './sts/jwks.ts';

export interface Tag {
  key: string;
  value: string;
}

export interface Provider {
  arn: string;
  /** As given at creation, scheme included: this is what `iss` must equal. */
  url: string;
  clientIds: string[];
  thumbprints: string[];
  tags: Tag[];
  createdAt: number;
}

export interface Role {
  name: string;
  path: string;
  arn: string;
  /** `AROA…`, new with every creation, so a re-created role can be told from the first one. */
  roleId: string;
  description: string | undefined;
  maxSessionDuration: number;
  trust: PolicyDocument;
  inline: Map<string, PolicyDocument>;
  attached: Set<string>;
  boundaryArn: string | undefined;
  tags: Tag[];
  createdAt: number;
}

export interface ManagedPolicy {
  arn: string;
  name: string;
  path: string;
  policyId: string;
  description: string | undefined;
  document: PolicyDocument;
  createdAt: number;
  updatedAt: number;
}

export interface Account {
  accountId: string;
  owner: { accessKeyId: string; secretAccessKey: string };
  providers: Map<string, Provider>;
  /** By lower-case name: IAM's names are unique without regard to case. */
  roles: Map<string, Role>;
  policies: Map<string, ManagedPolicy>;
  stacks: Map<string, Stack>;
}

export interface Session {
  accessKeyId: string;
  secretAccessKey: string;
  token: string;
  accountId: string;
  partition: string;
  roleName: string;
  roleId: string;
  sessionName: string;
  /** United, then intersected with the role; undefined when the session was asked for without any. */
  policies: { inline: PolicyDocument | undefined; arns: string[] } | undefined;
  tags: Tag[];
  sourceIdentity: string | undefined;
  providerArn: string;
  issuedAt: number;
  expiresAt: number;
}

export interface WorldOptions {
  jwksCacheSeconds: number;
  consistencyDelayMs: number;
}

export interface World {
  options: WorldOptions;
  /** Milliseconds since the epoch. */
  now: () => number;
  log: (line: object) => void;
  witness: (text: string) => void;
  accounts: Map<string, Account>;
  /** Owners' access key ids to their account. */
  owners: Map<string, Account>;
  sessions: Map<string, Session>;
  /** By provider URL: AWS keeps a copy of an issuer's JWKS, not of an account's provider. */
  jwks: Map<string, CachedJwks>;
}

export function createWorld(
  options: WorldOptions,
  now: () => number,
  log: World['log'],
  witness: World['witness'] = () => {},
): World {
  return {
    options,
    now,
    log,
    witness,
    accounts: new Map(),
    owners: new Map(),
    sessions: new Map(),
    jwks: new Map(),
  };
}

const ID_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** An identifier as IAM makes them, e.g. `AROA` and 17 characters (21 in all), `ASIA` and 16. */
export function createAwsId(prefix: string, length: number): string {
  let id = prefix;
  for (const byte of randomBytes(length - prefix.length)) id += ID_ALPHABET[byte & 31];
  return id;
}

export function createSecret(): string {
  return randomBytes(30).toString('base64');
}

/** The account of this number, made when it is first named. */
export function accountOf(world: World, accountId: string): Account {
  const known = world.accounts.get(accountId);
  if (known) return known;
  if (!/^\d{12}$/.test(accountId)) throw new RangeError('an AWS account id is 12 digits');
  const account: Account = {
    accountId,
    owner: { accessKeyId: createAwsId('AKIA', 20), secretAccessKey: createSecret() },
    providers: new Map(),
    roles: new Map(),
    policies: new Map(),
    stacks: new Map(),
  };
  world.accounts.set(accountId, account);
  world.owners.set(account.owner.accessKeyId, account);
  return account;
}

/** Who calls, in which account and region; every operation of IAM and CloudFormation is done by one. */
export interface Actor {
  world: World;
  account: Account;
  region: string;
  partition: string;
  /** The caller's ARN, and the id that GetCallerIdentity shows. */
  arn: string;
  userId: string;
  /** Absent for the account's owner. */
  session: Session | undefined;
  sourceIp: string;
  requestId: string;
}

/** The partition that a region lies in. */
export function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  if (region.startsWith('us-gov-')) return 'aws-us-gov';
  return region.startsWith('eusc-') ? 'aws-eusc' : 'aws';
}
