// A service with something to mint of every kind: a workload that may use an account, and one that waits to be verified.
import type { Test } from 'tap';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import {
  type Answer,
  assertion,
  call,
  postToken,
  registerClient,
  startTestService,
  type TestService,
  tokenForm,
  workloadToken,
} from '../support/service.ts';

export interface SealWorld {
  service: TestService;
  /** The token endpoint, as the workload. */
  token(): Promise<Answer>;
  /** The broker, with a token that the workload has held since before. */
  credentials(): Promise<Answer>;
  seal(reason?: string): Promise<Answer>;
  unseal(): Promise<Answer>;
  /** A connection that nobody has made the stack of: STS is asked about it until the end. */
  waitForVerification(): Promise<string>;
  /** Kinds of the audit's rows that say that something was minted, the host's apart; for one connection alone. */
  minted(connection?: string): Promise<number>;
}

const MINTED = ['token.minted', 'exchange.intent', 'credentials.handed_out', 'connection.verification_intent'];

export async function openSealWorld(t: Test): Promise<SealWorld> {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const { issuerUrl } = service.config;
  const workload = await registerClient(service, { slug: 'billing' });
  const { id } = await connectAccount(service, sandbox);
  await service.call('POST', '/v1/grants', { workload: workload.id, selector: { connection: id } });
  const resource = `${issuerUrl}/v1/connections/${id}/credentials`;
  const held = await workloadToken(service, workload, resource);
  const change = (what: string, reason = 'INC-42') =>
    service.call('POST', `/v1/service/${what}`, undefined, { headers: { 'countersign-reason': reason } });
  return {
    service,
    token: async () => postToken(service.url, tokenForm(await assertion(issuerUrl, workload), resource)),
    credentials: () =>
      call(service.url, 'POST', `/v1/connections/${id}/credentials`, {}, { authorization: `Bearer ${held}` }),
    seal: (reason) => change('seal', reason),
    unseal: () => change('unseal'),
    waitForVerification: async () => {
      const { body } = await service.call('POST', '/v1/connections', {
        name: 'Another customer',
        aws: { account_id: '444455556666', permission_set: 'read-only' },
      });
      await service.call('POST', `/v1/connections/${body.id}/verify`);
      return body.id as string;
    },
    minted: async (connection) => {
      const query = service.database.db
        .selectFrom('audit')
        .select('seq')
        .where('kind', 'in', MINTED)
        .where('actor', '!=', 'host');
      return (await (connection ? query.where('connection', '=', connection) : query).execute()).length;
    },
  };
}
