// A connected account, and a workload that may use it by the command: what tests of clients stand on.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { connectAccount, startTestSandbox, type TestConnection } from './connect-account.ts';
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
