// A connected account, a workload that may use it, and `countersign agent` as a process of its own: what tests of clients stand on.
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Running, startCommand } from './command.ts';
import { connectAccount, startTestSandbox, type TestConnection } from './connect-account.ts';
import { keepShown } from './known-secrets.ts';
import {
  registerClient,
  startTestService,
  tempDir,
  type TestClient,
  type TestService,
  type TestServiceOptions,
} from './service.ts';

export const ACCOUNT = '111122223333';

export interface Granted {
  sandbox: Sandbox;
  service: TestService;
  connection: TestConnection;
  workload: TestClient;
  grant: string;
  /** Who the workload is, for the command. */
  env: Record<string, string>;
}

/** From nothing to a grant. */
export async function startGranted(t: Test, options: TestServiceOptions = {}): Promise<Granted> {
  const sandbox = await startTestSandbox(t);
  const service = await startTestService(t, {
    ...options,
    env: { STS_ENDPOINT_URL: sandbox.url, ...options.env },
  });
  const connection = await connectAccount(service, sandbox, { account: ACCOUNT, body: { reference: 'acme' } });
  const workload = await registerClient(service, { slug: 'billing' });
  const grant = await service.call('POST', '/v1/grants', {
    workload: workload.id,
    selector: { connection: connection.id },
  });
  if (grant.status !== 201) throw new Error(`no grant: ${JSON.stringify(grant.body)}`);
  const keyFile = join(tempDir(t), 'billing.pem');
  writeFileSync(keyFile, workload.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const env = {
    COUNTERSIGN_URL: service.url,
    COUNTERSIGN_CLIENT_ID: workload.id,
    COUNTERSIGN_PRIVATE_KEY_FILE: keyFile,
  };
  return { sandbox, service, connection, workload, grant: grant.body.id as string, env };
}

export interface RunningAgent extends Running {
  url: string;
  tokenFile: string;
  /** As callers show it, read from the token file. */
  bearer(): string;
  /** What it says to set. */
  environment: Record<string, string>;
}

/** `countersign agent acme`, when it has said what to set. */
export async function startAgentProcess(
  t: Test,
  env: Record<string, string>,
  argv: string[] = ['--listen', '127.0.0.1:0', '--token-file', join(tempDir(t), 'token')],
): Promise<RunningAgent> {
  const running = startCommand(t, ['agent', 'acme', '--json', ...argv], env);
  const said = async (): Promise<void> => {
    while (!running.stdout().endsWith('}\n')) await once(running.child.stdout as NodeJS.EventEmitter, 'data');
  };
  const gone = await Promise.race([said(), running.ended]);
  if (gone) throw new Error(`the agent ended with ${gone.code}:\n${running.stderr()}`);
  const { url, token_file: tokenFile, environment } = JSON.parse(running.stdout());
  const bearer = (): string => {
    const line = readFileSync(tokenFile, 'utf8');
    keepShown("that is the agent's", line);
    return line;
  };
  return { ...running, url, tokenFile, bearer, environment };
}
