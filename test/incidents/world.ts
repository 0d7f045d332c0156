// An account that is connected, a workload that works in it, and the command that is run at the host or as somebody.
import { IAMClient, ListRolesCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import type { Test } from 'tap';
import type { Report } from '../../src/cli/incident/report.ts';
import { connectAccount, ownerConfig, startTestSandbox } from '../support/connect-account.ts';
import { registerClient, startTestService, type TestClient, workloadToken } from '../support/service.ts';
import { cli, type Ended } from '../cli/stand-in.ts';

export interface Session {
  AccessKeyId: string;
  SecretAccessKey: string;
  Token: string;
  Expiration: string;
}

export async function openIncidentWorld(t: Test, env: Record<string, string> = {}) {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 0 });
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url, ...env } });
  const connection = await connectAccount(service, sandbox, { body: { reference: 'acme' } });
  const workload = await registerClient(service, { slug: 'billing' });
  const granted = await service.call('POST', '/v1/grants', {
    ...{ workload: workload.id, selector: { connection: connection.id } },
  });
  t.equal(granted.status, 201);
  const host = { SOCKET_PATH: service.config.socketPath };
  const resource = `${service.config.issuerUrl}/v1/connections/${connection.id}/credentials`;
  const owner = new IAMClient(ownerConfig(sandbox, connection.aws.account_id));
  t.teardown(() => owner.destroy());

  return {
    ...{ sandbox, service, connection, workload, host },
    token: (client: TestClient = workload) => workloadToken(service, client, resource),
    exchange: async (token: string, query = '?duration_seconds=900'): Promise<{ status: number; session: Session }> => {
      const { status, body } = await service.call(
        'GET',
        `/v1/connections/${connection.id}/credentials${query}`,
        undefined,
        {
          token,
        },
      );
      return { status, session: body as Session };
    },
    /** What a session may do in the account: the name of the refusal, or `ok`. */
    use: async ({ AccessKeyId, SecretAccessKey, Token }: Session): Promise<string> => {
      const client = new IAMClient({
        ...{ region: 'us-east-1', endpoint: sandbox.url, maxAttempts: 1 },
        credentials: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token },
      });
      try {
        await client.send(new ListRolesCommand({}));
        return 'ok';
      } catch (error) {
        return (error as Error).message;
      } finally {
        client.destroy();
      }
    },
    /** What the owner does with a notice: exactly the policy in it. */
    attach: async ({ deny_policy: policy, notices: [notice] }: Report): Promise<void> => {
      await owner.send(
        new PutRolePolicyCommand({
          ...{ RoleName: notice?.role_name, PolicyName: notice?.policy_name },
          PolicyDocument: JSON.stringify(policy),
        }),
      );
    },
    /** The ring of an issuer as it is now. */
    ring: async (issuer: string) => {
      const { body } = await service.call('GET', `/v1/keys/${issuer}`, undefined, { token: await service.hostToken() });
      return body.items[0] as { keys: { kid: string; state: string }[] };
    },
    /** `countersign incident …` at the host's shell. */
    incident: (...argv: string[]): Promise<Ended> =>
      cli(['incident', ...argv, '--reason', 'seen in a paste', '--json'], host),
  };
}
