// Stand-ins for minting and STS that a test scripts: what the next look finds, and what was asked.
import type { AssumedSession, AssumeRoleInput } from '../../src/clouds/aws.ts';
import { StsError, type StsFailure } from '../../src/clouds/aws-errors.ts';
import type { AttemptDeps } from '../../src/connections/verification/attempt.ts';
import type { WebIdentity } from '../../src/tokens/mint.ts';
import { ISSUER_URL } from './api.ts';

export interface FakeCloud extends AttemptDeps {
  minted: WebIdentity[];
  /** jti of every token that was put on record before it was shown. */
  recorded: string[];
  assumed: AssumeRoleInput[];
  identified: unknown[];
  /** Decided for each role; an error refuses, an id lets in. */
  answer: (roleArn: string) => string | StsError | Promise<string | StsError>;
  /** Members of AssumeRoleWithWebIdentity's answer that replace what is right. */
  session: Partial<AssumedSession>;
  /** Members of GetCallerIdentity's answer that replace what is right. */
  identity: { account?: string; arn?: string; userId?: string };
}

export const denied = (more: Partial<StsFailure> = {}): StsError =>
  new StsError({
    side: 'account_owner',
    awsCode: 'AccessDenied',
    awsMessage: 'Not authorized',
    requestId: 'req-denied',
    ...more,
  });

function assumedArn(roleArn: string, sessionName: string): string {
  const [, partition, , , account, role = ''] = roleArn.split(':');
  return `arn:${partition}:sts::${account}:assumed-role/${role.replace('role/', '')}/${sessionName}`;
}

export function createFakeCloud(): FakeCloud {
  const cloud: FakeCloud = {
    ...{
      issuerUrl: ISSUER_URL,
      minted: [],
      recorded: [],
      assumed: [],
      identified: [],
      session: {},
      identity: {},
      answer: () => 'AROAFIRST',
    },
    clock: { wall: () => Date.now() },
    mintWebIdentityToken: async (input) => {
      cloud.minted.push(input);
      return {
        token: `token-${cloud.minted.length}`,
        kid: 'kid-1',
        jti: `jti-${cloud.minted.length}`,
        expiresAt: new Date(),
      };
    },
    recordIntent: async (_connection, { jti }) => void cloud.recorded.push(jti),
    sts: {
      assumeRoleWithWebIdentity: async (input) => {
        cloud.assumed.push(input);
        const answer = await cloud.answer(input.roleArn);
        if (answer instanceof StsError) throw answer;
        return {
          ...{
            accessKeyId: 'ASIAVERIFY',
            secretAccessKey: 'secret-canary',
            sessionToken: input.roleArn,
            expiration: new Date(Date.now() + input.durationSeconds * 1000),
            requestId: 'req-1',
          },
          assumedRoleArn: assumedArn(input.roleArn, input.roleSessionName),
          assumedRoleId: `${answer}:${input.roleSessionName}`,
          ...cloud.session,
        };
      },
      getCallerIdentity: async ({ region, credentials }) => {
        cloud.identified.push({ region, ...credentials });
        const [, , , , account = ''] = credentials.sessionToken.split(':');
        const roleId = await cloud.answer(credentials.sessionToken);
        const arn = assumedArn(credentials.sessionToken, 'countersign-verify');
        return { account, arn, userId: `${String(roleId)}:countersign-verify`, requestId: 'req-2', ...cloud.identity };
      },
    },
  };
  return cloud;
}
