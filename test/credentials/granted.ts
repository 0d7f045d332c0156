// A workload that may ask for the sessions of one connection, whose stack stands in the sandbox.
import type { Test } from 'tap';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';

export async function openGranted(t: Test) {
  const sandbox = await startTestSandbox(t);
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const { id } = await connectAccount(service, sandbox);
  const workload = await registerClient(service, { slug: 'billing' });
  await service.call('POST', '/v1/grants', { workload: workload.id, selector: { connection: id } });
  const path = `/v1/connections/${id}/credentials`;
  const token = await workloadToken(service, workload, `${service.config.issuerUrl}${path}`);
  return { sandbox, service, id, workload, path, token };
}
