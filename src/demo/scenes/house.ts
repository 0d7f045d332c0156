// Scene: the sandbox AWS in this process, the service in its own, and an operator's first token.
import { userInfo } from 'node:os';
import { readAnswer } from '../../cli/answer.ts';
import { type Api, createApi } from '../../cli/api.ts';
import { sendToSocket } from '../../cli/http.ts';
import { discover, readToken, type Discovered } from '../../cli/remote.ts';
import { LOOPBACK_POLICY } from '../../keys/policy.ts';
import { type Sandbox, startSandbox } from '../../sandbox/sandbox.ts';
import { expectEqual, expectThat } from '../expect.ts';
import type { Tell } from '../runner.ts';
import { type ServiceProcess, startServiceProcess } from '../service-process.ts';
import type { Stage } from '../stage.ts';

/** AWS takes 7 to 12 s until a new role is known everywhere. */
export const CONSISTENCY_DELAY_MS = 1000;

export interface House {
  sandbox: Sandbox;
  service: ServiceProcess;
  discovered: Discovered;
  /** The API, as the host: every scope. */
  api: Api;
}

export async function openSandbox(stage: Stage, tell: Tell): Promise<Sandbox> {
  const jwksCacheSeconds = LOOPBACK_POLICY.verifierCache / 1000;
  const sandbox = await startSandbox({ jwksCacheSeconds, consistencyDelayMs: CONSISTENCY_DELAY_MS });
  stage.onEnd(() => sandbox.close());
  tell(`${sandbox.url}, in this process; it holds the customers' accounts`);
  tell(`a new role is known to it after ${CONSISTENCY_DELAY_MS / 1000} s (AWS: 7 to 12 s)`);
  return sandbox;
}

export async function openService(stage: Stage, sandbox: Sandbox, tell: Tell): Promise<ServiceProcess> {
  const service = await startServiceProcess(stage, sandbox.url, stage.onEnd);
  tell(`${service.url}, process ${service.pid}; it reaches STS at ${sandbox.url}`);
  return service;
}

/** As `countersign token` does on the host: there is no bootstrap secret, whoever has a shell here is root already. */
export async function enter(stage: Stage, sandbox: Sandbox, service: ServiceProcess, tell: Tell): Promise<House> {
  const answer = readAnswer(
    await sendToSocket(stage.socketPath, {
      method: 'POST',
      url: '/token',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ as: userInfo().username, reason: 'npm run demo' }),
    }),
  );
  const token = readToken(answer);
  expectEqual('the API that the socket names', (answer as { api_url?: unknown }).api_url, service.url);
  const api = createApi({ token, apiUrl: service.url }, { reason: 'npm run demo' });
  const whoami = (await api.get('/v1/whoami')) as { kind: string; id: string; scopes: string[] };
  expectEqual('who the API takes us for', whoami.id, 'host');
  const discovered = await discover(service.url);
  expectThat(discovered.tokenEndpoint.startsWith(service.url), 'Discovery must name a token endpoint of this service.');
  tell(`for ${token.expires_in / 60} minutes, with ${whoami.scopes.length} scopes; on record as "${whoami.id}"`);
  return { sandbox, service, discovered, api };
}
