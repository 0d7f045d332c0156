// The files that AWS clients share, read as far as a choice of credentials goes: which profiles have which members.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type Environment = Record<string, string | undefined>;

/** By name, without the word `profile` of the config file; of secrets only that they are there. */
export type Profiles = Record<string, Record<string, string>>;

export interface SharedFiles {
  config: Profiles;
  credentials: Profiles;
  /** Paths, as the environment or the home folder has them. */
  paths: { config: string; credentials: string };
  /** What botocore reads besides: that of EC2's first tools where one is named, and that of boto where it has keys. */
  older: { ec2: KeyFile | undefined; boto: KeyFile | undefined };
}

/** A file with one pair of keys in it; of them only which are there, undefined where it cannot be read. */
export interface KeyFile {
  path: string;
  has: { id: boolean; secret: boolean } | undefined;
}

const SECRET = /secret|session_token|security_token/;

/** Sections and members; what is indented below a member is that member's own. The config file says `profile` before a name. */
export function parseProfiles(text: string, kind: 'config' | 'credentials'): Profiles {
  const profiles: Profiles = {};
  let section: Record<string, string> | undefined;
  for (const line of text.split(/\r?\n/)) {
    const [, word, heading] = /^\[\s*(?:([\w-]+)\s+)?["']?([^\]"']+?)["']?\s*\]/.exec(line) ?? [];
    if (heading !== undefined) {
      // Sessions of SSO and services are sections too, and no profiles.
      const ours = word === (kind === 'config' && heading !== 'default' ? 'profile' : undefined);
      section = ours || (word === 'profile' && kind === 'config') ? (profiles[heading] ??= {}) : undefined;
      continue;
    }
    const [, name = '', value = ''] = /^([^\s#;=][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (section && name !== '') section[name.toLowerCase()] = SECRET.test(name) ? '(set)' : value;
  }
  return profiles;
}

/** `AWSAccessKeyId=…`, as the first tools of EC2 had it. */
export function parseEc2Keys(text: string): KeyFile['has'] {
  return { id: /^\s*AWSAccessKeyId\s*=/m.test(text), secret: /^\s*AWSSecretKey\s*=/m.test(text) };
}

/** The section of boto's file that has keys. */
export function parseBotoKeys(text: string): KeyFile['has'] {
  const members = parseProfiles(text, 'credentials')['Credentials'] ?? {};
  return { id: 'aws_access_key_id' in members, secret: 'aws_secret_access_key' in members };
}

function readKeys(path: string, parse: (text: string) => KeyFile['has']): KeyFile {
  try {
    return { path, has: parse(readFileSync(path, 'utf8')) };
  } catch {
    return { path, has: undefined };
  }
}

function readProfiles(path: string, kind: 'config' | 'credentials'): Profiles {
  try {
    return parseProfiles(readFileSync(path, 'utf8'), kind);
  } catch {
    // Not there, or not to be read by this user: the clients go on without it as well.
    return {};
  }
}

export function readSharedFiles(env: Environment): SharedFiles {
  const home = env['HOME'] || homedir();
  const folder = join(home, '.aws');
  const paths = {
    config: env['AWS_CONFIG_FILE'] || join(folder, 'config'),
    credentials: env['AWS_SHARED_CREDENTIALS_FILE'] || join(folder, 'credentials'),
  };
  const [ec2, boto] = [env['AWS_CREDENTIAL_FILE'], env['BOTO_CONFIG']];
  const botoFiles = boto === undefined ? ['/etc/boto.cfg', join(home, '.boto')] : [boto];
  return {
    config: readProfiles(paths.config, 'config'),
    credentials: readProfiles(paths.credentials, 'credentials'),
    paths,
    older: {
      ec2: ec2 === undefined ? undefined : readKeys(ec2, parseEc2Keys),
      boto: botoFiles.map((path) => readKeys(path, parseBotoKeys)).find(({ has }) => has?.id),
    },
  };
}
