// A proxy that the environment names, which Node goes through only where it is told to: said where nothing was reached.
import type { Failure } from './failure.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** As Node reads them: in small letters first. http is for this machine alone. */
const NAMES = ['https_proxy', 'HTTPS_PROXY'];

/** Node's own switch, as a variable or among its options. */
const usesProxies = ({ NODE_USE_ENV_PROXY, NODE_OPTIONS = '' }: Environment): boolean =>
  NODE_USE_ENV_PROXY === '1' || /(^|\s)--use-env-proxy(\s|$)/.test(NODE_OPTIONS);

/** What else to do about it; undefined unless an https server was not reached, and a proxy is named and not used. */
export function hintAtProxy({ code, message }: Failure, env: Environment): string | undefined {
  if (!/(^|_)unreachable$/.test(code) || !message.includes('https://') || usesProxies(env)) return undefined;
  const name = NAMES.find((one) => env[one]);
  return name && `${name} is set, and not used: with NODE_USE_ENV_PROXY=1 this command goes through it.`;
}
