// Which credentials an AWS client would take in an environment, and why: each client's own order, as a table.
import type { Environment, SharedFiles } from './profiles.ts';

export const CLIENTS = {
  'aws-cli': 'the AWS CLI',
  javascript: 'the JavaScript SDK v3',
  boto3: 'boto3',
  go: 'the Go SDK v2',
} as const;

export type Client = keyof typeof CLIENTS;

type Members = Record<string, string>;

/** What there is to see. */
interface Seen {
  env: Environment;
  /** The profile's name, and where it is said. */
  profile: string;
  both: Members;
  config: Members;
  credentials: Members;
  paths: SharedFiles['paths'];
  older: SharedFiles['older'];
  rules: Rules;
}

/** What a source says of itself where it is configured; `fault` where the client then fails instead of going on. */
interface Found {
  because: string;
  fault?: string;
}

interface SourceFacts {
  /** `… takes ` */
  what: string;
  find(seen: Seen): Found | undefined;
  /** How something else is let through. */
  undo(seen: Pick<Seen, 'profile' | 'rules'>): string;
}

const hasKeys = (members: Members): boolean => 'aws_access_key_id' in members && 'aws_secret_access_key' in members;

const ofProfile = (what: string, has: (both: Members) => boolean): SourceFacts => ({
  what,
  find: ({ both, profile, paths }) =>
    has(both) ? { because: `profile ${profile} in ${paths.config} or ${paths.credentials} says so` } : undefined,
  undo: ({ profile }) => `name another AWS_PROFILE, or take it out of profile ${profile}`,
});

const ofFile = (file: 'config' | 'credentials'): SourceFacts => ({
  what: `keys of the ${file} file`,
  find: (seen) =>
    hasKeys(seen[file]) ? { because: `profile ${seen.profile} in ${seen.paths[file]} has them` } : undefined,
  undo: ({ profile }) => `name another AWS_PROFILE, or take the keys out of profile ${profile}`,
});

const ofOlder = (file: keyof SharedFiles['older'], what: string, undo: string): SourceFacts => ({
  what,
  find: ({ older }) => {
    const { path, has } = older[file] ?? { path: '', has: { id: false, secret: false } };
    const fault = !has
      ? `${path} cannot be read`
      : has.secret
        ? undefined
        : `${path} has an access key without its secret`;
    if (has && !has.id) return undefined;
    return { because: `${path} has them`, ...(fault === undefined ? {} : { fault }) };
  },
  undo: () => undo,
});

const RELATIVE = 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI';
const FULL = 'AWS_CONTAINER_CREDENTIALS_FULL_URI';

/** The variable of the two that this client reads, where it reads one. */
export function containerVariable(client: Client, env: Environment): string | undefined {
  const { containerFirst, emptyCounts } = RULES[client];
  const given = (name: string): boolean => (emptyCounts ? env[name] !== undefined : Boolean(env[name]));
  return [containerFirst, containerFirst === FULL ? RELATIVE : FULL].find(given);
}

const SOURCES = {
  keys: {
    what: 'keys of the environment',
    find: ({ env, rules }) => {
      const [id, secret] = rules.keyVariables.map((names) => names.find((name) => env[name]));
      if (id && secret) return { because: `${id} and ${secret} are set` };
      if (!id || !rules.halvesFail) return undefined;
      return {
        because: 'AWS_ACCESS_KEY_ID is set',
        fault: 'AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not',
      };
    },
    undo: ({ rules }) => `unset ${rules.keyVariables.flat().join(' ')} AWS_SESSION_TOKEN`,
  },
  web_identity: {
    what: 'a web identity (as EKS gives it to service accounts: IRSA)',
    find: ({ env, both, rules }) => {
      if (!env['AWS_WEB_IDENTITY_TOKEN_FILE']) return undefined;
      const role = env['AWS_ROLE_ARN'] || (rules.roleOfProfile && both['role_arn']);
      if (role) return { because: 'AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set' };
      if (!rules.roleFails) return undefined;
      return {
        because: 'AWS_WEB_IDENTITY_TOKEN_FILE is set',
        fault: 'AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not',
      };
    },
    undo: () =>
      "unset AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN, or take the role's annotation from the service account",
  },
  profile_role: ofProfile(
    'a role that it assumes by a profile',
    (both) => 'role_arn' in both && ('source_profile' in both || 'credential_source' in both),
  ),
  profile_keys: ofProfile('keys of a profile', hasKeys),
  credentials_file: ofFile('credentials'),
  config_file: ofFile('config'),
  profile_web_identity: ofProfile(
    'a web identity of a profile',
    (both) => 'web_identity_token_file' in both && 'role_arn' in both,
  ),
  profile_sso: ofProfile(
    'IAM Identity Center (SSO) by a profile',
    (both) => 'sso_account_id' in both || 'sso_role_name' in both,
  ),
  profile_login: ofProfile('the session of `aws login` by a profile', (both) => 'login_session' in both),
  profile_process: {
    ...ofProfile('a command (credential_process) of a profile', (both) => 'credential_process' in both),
  },
  ec2_file: ofOlder('ec2', 'keys of the file that AWS_CREDENTIAL_FILE names', 'unset AWS_CREDENTIAL_FILE'),
  boto_file: ofOlder('boto', "keys of boto's file", 'export BOTO_CONFIG=/dev/null, or take the keys out of that file'),
  container: {
    what: 'container credentials',
    find: ({ env, rules }) => {
      const name = containerVariable(rules.client, env);
      if (name === undefined) return undefined;
      const whose = /\/\/(169\.254\.170\.23|\[fd00:ec2::23\])[:/]/.test(env[name] ?? '') ? ' by EKS Pod Identity' : '';
      return { because: `${name} is set${whose}` };
    },
    undo: () => `unset ${FULL} ${RELATIVE}`,
  },
  metadata: {
    what: "the instance's metadata service (IMDS), where there is one",
    find: ({ env, rules }) =>
      rules.metadataOff.test(env['AWS_EC2_METADATA_DISABLED'] ?? '')
        ? undefined
        : { because: 'nothing else is configured' },
    undo: () => 'export AWS_EC2_METADATA_DISABLED=true',
  },
} as const satisfies Record<string, SourceFacts>;

export type Source = keyof typeof SOURCES;

interface Rules {
  client: Client;
  order: readonly Source[];
  /** Which variables have the access key, and which its secret, the first that is set. */
  keyVariables: readonly (readonly string[])[];
  /** Which variables name the profile, the first that is set. */
  profileVariables: readonly string[];
  /** A profile that is named makes it pass over keys of the environment. */
  profileBeatsKeys: boolean;
  /** A profile that is named and not there ends it, whatever else is set. */
  missingProfileFails: boolean;
  /** An access key without its secret ends it. */
  halvesFail: boolean;
  /** A web identity's token without a role ends it. */
  roleFails: boolean;
  /** The role may stand in the profile. */
  roleOfProfile: boolean;
  /** Of the two variables of containers the one that wins. */
  containerFirst: string;
  /** A variable of containers that is set to nothing counts. */
  emptyCounts: boolean;
  /** What AWS_EC2_METADATA_DISABLED holds where it counts. */
  metadataOff: RegExp;
}

const KEYS = [['AWS_ACCESS_KEY_ID'], ['AWS_SECRET_ACCESS_KEY']] as const;

/** botocore's, read in 1.43.11 and tried there; the AWS CLI's in its 2.9.19 and 1.45.11. */
const BOTOCORE: Omit<Rules, 'client'> = {
  order: [
    ...(['keys', 'profile_role', 'web_identity', 'profile_web_identity', 'profile_sso', 'credentials_file'] as const),
    ...(['profile_login', 'profile_process', 'config_file', 'ec2_file', 'boto_file', 'container'] as const),
    'metadata',
  ],
  keyVariables: KEYS,
  profileVariables: ['AWS_DEFAULT_PROFILE', 'AWS_PROFILE'],
  profileBeatsKeys: false,
  missingProfileFails: true,
  halvesFail: true,
  roleFails: true,
  roleOfProfile: true,
  containerFirst: RELATIVE,
  emptyCounts: true,
  metadataOff: /^true$/i,
};

const RULES: Record<Client, Rules> = {
  // Version 1 has the profile's variables the other way, as boto3 has.
  'aws-cli': { client: 'aws-cli', ...BOTOCORE, profileVariables: ['AWS_PROFILE', 'AWS_DEFAULT_PROFILE'] },
  boto3: { client: 'boto3', ...BOTOCORE },
  // @aws-sdk/credential-provider-node, read in 3.972.97 and tried there.
  javascript: {
    client: 'javascript',
    order: [
      ...(['keys', 'profile_role', 'profile_keys', 'profile_web_identity', 'profile_process', 'profile_sso'] as const),
      ...(['profile_login', 'web_identity', 'container', 'metadata'] as const),
    ],
    keyVariables: KEYS,
    profileVariables: ['AWS_PROFILE'],
    profileBeatsKeys: true,
    missingProfileFails: false,
    halvesFail: false,
    roleFails: false,
    roleOfProfile: false,
    containerFirst: RELATIVE,
    emptyCounts: false,
    metadataOff: /^(?!false$)./,
  },
  // config/resolve_credentials.go and env_config.go, read only.
  go: {
    client: 'go',
    order: [
      ...(['keys', 'web_identity', 'profile_role', 'profile_keys', 'profile_web_identity', 'profile_sso'] as const),
      ...(['profile_login', 'profile_process', 'container', 'metadata'] as const),
    ],
    keyVariables: [
      [...KEYS[0], 'AWS_ACCESS_KEY'],
      [...KEYS[1], 'AWS_SECRET_KEY'],
    ],
    profileVariables: ['AWS_PROFILE', 'AWS_DEFAULT_PROFILE'],
    profileBeatsKeys: false,
    missingProfileFails: true,
    halvesFail: false,
    roleFails: true,
    roleOfProfile: false,
    containerFirst: FULL,
    emptyCounts: false,
    metadataOff: /^true$/i,
  },
};

export interface Choice {
  /** `none`: the client says that it found none. */
  source: Source | 'none';
  what: string;
  because: string;
  /** Why the client fails with it. */
  fault?: string;
  /** How something that comes later is let through. */
  undo?: string;
  /** Configured as well, and passed over. */
  later: Source[];
}

/** @param files with no secret in them. Nothing is asked and nothing is read. */
export function chooseSource(client: Client, env: Environment, files: SharedFiles): Choice {
  const rules = RULES[client];
  const named = rules.profileVariables.find((name) => env[name]);
  const profile = (named && env[named]) || 'default';
  const [config, credentials] = [files.config[profile], files.credentials[profile]];
  const seen: Seen = {
    ...{
      env,
      profile,
      rules,
      paths: files.paths,
      older: files.older,
      config: config ?? {},
      credentials: credentials ?? {},
    },
    both: { ...config, ...credentials },
  };
  if (named && rules.missingProfileFails && !config && !credentials) {
    const fault = `${named} names the profile ${profile}, which is in neither ${files.paths.config} nor ${files.paths.credentials}`;
    return { source: 'none', what: 'nothing', because: fault, fault, undo: `unset ${named}`, later: [] };
  }
  const order = named && rules.profileBeatsKeys ? rules.order.filter((source) => source !== 'keys') : rules.order;
  const found = order.flatMap((source) => {
    const facts: SourceFacts = SOURCES[source];
    const one = facts.find(seen);
    return one ? [{ source, ...one, what: facts.what, undo: facts.undo(seen) }] : [];
  });
  const [first, ...later] = found;
  if (!first) return { source: 'none', what: 'nothing', because: 'nothing is configured', later: [] };
  return { ...first, later: later.map(({ source }) => source).filter((source) => source !== 'metadata') };
}
