// From the caller's side: which credentials AWS clients take here, what they are given, and one connection step by step.
import type { Call } from '../call.ts';
import { baseUrl } from '../http.ts';
import { sourceOf } from '../source.ts';
import { checkClients, checkEndpoint, checkClientTls } from './clients/checks.ts';
import { containerUrl, mayCarryTokens } from './clients/container.ts';
import { checkConnection } from './connection.ts';
import { type Check, type Report, type Unseen, writeReport } from './findings.ts';
import { runChecks } from './run.ts';
import { checkAlive, checkCertificate, checkClock } from './service.ts';

export interface CallerOptions {
  clients?: true;
  connection?: string;
  purpose?: string;
}

const NO_WORKLOAD: Unseen = {
  code: 'connection',
  detail: 'The credentials of the connection: nothing says which workload is asking.',
  hint: 'Set COUNTERSIGN_URL, COUNTERSIGN_CLIENT_ID and COUNTERSIGN_PRIVATE_KEY_FILE, or sign in (countersign login): the socket gives no credentials.',
};

/** The workload's own URL and identity, or what is missing. @throws Failure (usage) for half of an identity */
export async function examineCaller(call: Call<CallerOptions>): Promise<Report> {
  const { outside, options } = call;
  const { env, now } = outside;
  const named = options.url ?? env.COUNTERSIGN_URL;
  const url = named ? baseUrl(named, options.url ? '--url' : 'COUNTERSIGN_URL') : undefined;
  const { connection } = options;
  const mayAsk = connection !== undefined && sourceOf(env, options).kind !== 'socket';
  const endpoint = env.AWS_CONTAINER_CREDENTIALS_FULL_URI ? containerUrl('go', env) : undefined;
  const checks: Check[] = [
    ...(url ? [checkAlive(url), checkClock(url, now)] : []),
    ...(url?.startsWith('https:') ? [checkCertificate(url, now)] : []),
    ...(options.clients ? [checkClients(outside)] : []),
    ...(options.clients && endpoint?.protocol === 'https:' ? [checkClientTls(endpoint)] : []),
    ...(options.clients && endpoint && mayCarryTokens(endpoint) ? [checkEndpoint(endpoint, env)] : []),
    ...(mayAsk ? [checkConnection(call, connection)] : []),
  ];
  const { findings, unseen } = await runChecks(checks);
  return writeReport(findings, [...(connection !== undefined && !mayAsk ? [NO_WORKLOAD] : []), ...unseen]);
}
