// What a client makes of the two variables of containers: where it goes with them, and what it shows there.
import { LOOPBACK } from '../../http.ts';
import { endOf } from '../../shown-token.ts';
import type { Environment } from './profiles.ts';
import { type Client, containerVariable } from './sources.ts';

const LINK_LOCAL = new Set(['169.254.170.2', '169.254.170.23', '[fd00:ec2::23]']);

/** No client sends a token by http to anybody but this machine, or the addresses of ECS and EKS. */
export function mayCarryTokens({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || LOOPBACK.test(hostname) || LINK_LOCAL.has(hostname);
}

export interface Fault {
  detail: string;
  hint: string;
}

/** Where the client would ask; undefined where that is no URL. */
export function containerUrl(client: Client, env: Environment): URL | undefined {
  const name = containerVariable(client, env);
  const value = (name && env[name]) ?? '';
  const url = URL.parse(name?.endsWith('RELATIVE_URI') ? `http://169.254.170.2${value}` : value);
  return url && /^https?:$/.test(url.protocol) ? url : undefined;
}

/**
 * The faults that are to be seen without asking anybody.
 * @param read a file, as text; undefined where it cannot be read
 */
export function findContainerFaults(
  client: Client,
  env: Environment,
  read: (file: string) => string | undefined,
  now: number,
): Fault[] {
  const faults: Fault[] = [];
  const fault = (detail: string, hint: string): unknown => faults.push({ detail, hint });
  const url = containerUrl(client, env);
  if (!url)
    fault(
      `${containerVariable(client, env)} holds no URL that it takes.`,
      'Set AWS_CONTAINER_CREDENTIALS_FULL_URI to an http(s) URL.',
    );
  else if (!mayCarryTokens(url))
    fault(
      `It refuses http to ${url.hostname}: only loopback, and the addresses of ECS and EKS.`,
      'Run an agent on 127.0.0.1, or give https with a public certificate.',
    );
  if (env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] && env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'])
    fault(
      'Both AWS_CONTAINER_CREDENTIALS_FULL_URI and …_RELATIVE_URI are set, and clients disagree which wins.',
      'unset AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
    );

  const file = env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'];
  const token = file ? read(file) : env['AWS_CONTAINER_AUTHORIZATION_TOKEN'];
  const where = file ?? 'AWS_CONTAINER_AUTHORIZATION_TOKEN';
  const again = 'Write it again: printf \'Bearer %s\' "$(countersign token --connection cn_…)", or let an agent do it.';
  if (token === undefined && file)
    fault(
      `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names ${file}, which cannot be read.`,
      `Let this user read it. ${again}`,
    );
  else if (!token)
    fault(
      'No token is set: Countersign and its agent refuse a call without one.',
      'Set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.',
    );
  else if (/[\r\n]/.test(token)) fault(`${where} ends with a line break, which no client sends.`, again);
  else if ((endOf(token) ?? Number.POSITIVE_INFINITY) <= now)
    fault(`The token in ${where} ended at ${new Date(endOf(token) as number).toISOString()}.`, again);
  return faults;
}
