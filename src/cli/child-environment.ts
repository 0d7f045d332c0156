// The environment of a command that `exec` runs: the session, its region, and nothing that an SDK would take before it.
import { devNull } from 'node:os';
import type { Outside } from './outside.ts';

type Variables = Record<string, string>;

/** What an SDK takes before keys of the environment, or as part of them: another's profile, token, account or scope. */
export const OVER_KEYS = [
  ...['AWS_PROFILE', 'AWS_DEFAULT_PROFILE'],
  ...['AWS_SECURITY_TOKEN', 'AWS_ACCOUNT_ID', 'AWS_CREDENTIAL_SCOPE'],
];

/** Sources that SDKs look at before the one given, or beside it; what names them, and what older SDKs call them. */
const CLEARED = new Set([
  ...['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_CREDENTIAL_EXPIRATION'],
  ...['AWS_ACCESS_KEY', 'AWS_SECRET_KEY', 'AWS_CREDENTIAL_FILE'],
  ...OVER_KEYS,
  ...['AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_ROLE_ARN', 'AWS_ROLE_SESSION_NAME'],
]);
/** Of bearer tokens of single services, which win over any session. */
export const BEARERS = 'AWS_BEARER_TOKEN_';

/** Among them who this command is. */
const CLEARED_BEGINNINGS = ['AWS_CONTAINER_', BEARERS, 'COUNTERSIGN_'];

/** What is left of the caller's environment. */
function withoutSources(env: Outside['env']): Variables {
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined &&
        !CLEARED.has(entry[0].toUpperCase()) &&
        !CLEARED_BEGINNINGS.some((beginning) => entry[0].toUpperCase().startsWith(beginning)),
    ),
  );
}

/** @param given the session: keys, or where they are fetched. @param region undefined leaves the caller's */
export function childEnvironment(
  env: Outside['env'],
  given: Variables,
  region: string | undefined,
): Record<string, string> {
  return { ...withoutSources(env), ...regionsOf(region), ...given };
}

/** As each SDK calls it. */
export function regionsOf(region: string | undefined): Variables {
  return region === undefined ? {} : { AWS_REGION: region, AWS_DEFAULT_REGION: region };
}

/** Keys as they are: they win in every SDK over what the shared files say. */
export function keysOf(credentials: {
  AccessKeyId: string;
  SecretAccessKey: string;
  Token: string;
  Expiration: string;
}): Variables {
  return {
    AWS_ACCESS_KEY_ID: credentials.AccessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.SecretAccessKey,
    AWS_SESSION_TOKEN: credentials.Token,
    AWS_CREDENTIAL_EXPIRATION: credentials.Expiration,
  };
}

/** Where they are fetched. Profiles of the shared files come before that, and keys of boto's for botocore, so there are none. */
export function containerOf(uri: string, authorization: string): Variables {
  return {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: uri,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: authorization,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    AWS_CONFIG_FILE: devNull,
    // Not set, it is /etc/boto.cfg and ~/.boto.
    BOTO_CONFIG: devNull,
  };
}
