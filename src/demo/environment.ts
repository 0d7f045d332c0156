// What the demo takes from the environment of the person who runs it: a PATH and a place for files, and nothing of AWS.
import { devNull } from 'node:os';

/**
 * Takes away every AWS variable, and points the SDK at empty profiles: whoever tries the demo may be logged in to a
 * real account in the same shell.
 */
export function forgetAws(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(env)) if (name.startsWith('AWS_')) delete env[name];
  env['AWS_CONFIG_FILE'] = devNull;
  env['AWS_SHARED_CREDENTIALS_FILE'] = devNull;
  env['AWS_EC2_METADATA_DISABLED'] = 'true';
}

const KEPT = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG'];

/** For the service: its own variables alone, so that no DATABASE_URL of this shell finds its way in. */
export function serviceEnvironment(env: NodeJS.ProcessEnv, own: Record<string, string>): Record<string, string> {
  const kept = KEPT.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  return { ...Object.fromEntries(kept), ...own };
}
