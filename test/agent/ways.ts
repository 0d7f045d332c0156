// The two ways to the container credentials endpoint: the service itself, and the agent beside the client; and what may be refused there.
import { IAMClient, UpdateAssumeRolePolicyCommand } from '@aws-sdk/client-iam';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { ACCOUNT, type Granted } from '../support/agent.ts';
import { startAgentProcess } from '../support/command.ts';
import { ownerConfig } from '../support/connect-account.ts';
import { findLastingPort } from '../support/ports.ts';
import { tempDir, workloadToken } from '../support/service.ts';

export interface Way {
  name: string;
  /** Of a connection, by id or reference, with a query. */
  uri(connection: string): string;
  tokenFile: string;
  /** What stands behind is another now: the token in its file, or the whole agent, ended with SIGKILL. */
  renew(): Promise<void>;
}

export async function waysTo(t: Test, granted: Granted): Promise<Way[]> {
  const { service, workload, env } = granted;
  const direct = join(tempDir(t), 'token');
  const writeToken = async (): Promise<void> => {
    const token = await workloadToken(service, workload, `${service.config.issuerUrl}/v1/credentials`);
    writeFileSync(direct, `Bearer ${token}`, { mode: 0o600 });
  };
  await writeToken();
  const tokenFile = join(tempDir(t), 'token');
  const argv = ['--listen', `127.0.0.1:${await findLastingPort()}`, '--token-file', tokenFile, '--hold-seconds', '20'];
  let agent = await startAgentProcess(t, env, argv);
  const at = (base: string) => (connection: string) =>
    `${base}/v1/connections/${connection.replace(/(?=\?|$)/, '/credentials')}`;
  return [
    { name: 'the service', uri: at(service.url), tokenFile: direct, renew: writeToken },
    {
      name: 'the agent',
      uri: at(agent.url),
      tokenFile,
      renew: async () => {
        agent.child.kill('SIGKILL');
        await agent.ended;
        agent = await startAgentProcess(t, env, argv);
      },
    },
  ];
}

/** The owner of the account takes the trust away. */
export async function breakTrust({ sandbox, connection }: Granted): Promise<void> {
  const iam = new IAMClient(ownerConfig(sandbox, ACCOUNT));
  const Statement = [{ Effect: 'Deny', Principal: '*', Action: 'sts:AssumeRoleWithWebIdentity' }];
  await iam.send(
    new UpdateAssumeRolePolicyCommand({
      RoleName: connection.aws.role_name,
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement }),
    }),
  );
  iam.destroy();
}
