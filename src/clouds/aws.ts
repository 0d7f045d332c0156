// The one door to AWS STS: a client that nothing in the environment can turn, open or sign for.
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import {
  AssumeRoleWithWebIdentityCommand,
  GetCallerIdentityCommand,
  STSClient,
  type STSClientConfig,
} from '@aws-sdk/client-sts';
import { StandardRetryStrategy } from '@smithy/core/retry';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { StsError, TOO_LARGE, toStsError } from './aws-errors.ts';
import { stsEndpoint } from './aws-regions.ts';
import { withDeadline } from './deadline.ts';

export interface SessionCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
}

export interface AssumeRoleInput {
  region: string;
  roleArn: string;
  roleSessionName: string;
  token: string;
  durationSeconds: number;
  /** An inline session policy, as JSON. */
  policy?: string | undefined;
  policyArns?: readonly string[] | undefined;
}

export interface AssumedSession extends SessionCredentials {
  expiration: Date;
  assumedRoleArn: string;
  /** `AROA…:<session name>`; the part before the colon is the role's unique id. */
  assumedRoleId: string;
  /** Percent of the room that AWS gives session policies and tags. */
  packedPolicySize?: number | undefined;
  requestId: string;
}

export interface CallerIdentity {
  account: string;
  arn: string;
  userId: string;
  requestId: string;
}

export interface AwsSts {
  /** @throws StsError */
  assumeRoleWithWebIdentity(input: AssumeRoleInput): Promise<AssumedSession>;
  /** @throws StsError */
  getCallerIdentity(input: { region: string; credentials: SessionCredentials }): Promise<CallerIdentity>;
  /** Closes idle connections. */
  close(): void;
}

export interface AwsStsOptions {
  /** The sandbox's URL in place of every region's endpoint; configuration allows it with a loopback issuer alone. */
  endpointUrl?: string | undefined;
  /** Deadline of one call with all its retries, milliseconds; 10 000 unless given. */
  timeoutMs?: number | undefined;
}

/** Milliseconds: of one call with all its retries, of one attempt, and of its connection. */
export const STS_DEADLINES = {
  callMs: 10_000,
  // AWS itself waits up to 5 s for the issuer's documents before it answers.
  requestMs: 7000,
  connectMs: 2000,
};
const MAX_ATTEMPTS = 3;

/** Everything that the SDK would otherwise read from the environment, a profile or an instance's metadata. */
function closedConfig(region: string, endpoint: string, requestHandler: NodeHttpHandler): STSClientConfig {
  return {
    region,
    endpoint,
    requestHandler,
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
    ignoreConfiguredEndpointUrls: true,
    defaultsMode: 'standard',
    retryMode: 'standard',
    maxAttempts: MAX_ATTEMPTS,
    profile: 'countersign',
    sigv4aSigningRegionSet: [region],
    userAgentAppId: 'countersign',
    defaultUserAgentProvider: async () => [['countersign', '1']],
    streamCollector: collectBody,
  };
}

// Session tokens have no maximum size; everything else in an answer is small.
const LONGEST_ANSWER = 256 * 1024;

async function collectBody(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    // Leaving the loop destroys the stream.
    if (length > LONGEST_ANSWER) throw Object.assign(new Error(), { name: TOO_LARGE });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function createAwsSts(options: AwsStsOptions = {}): AwsSts {
  const timeoutMs = options.timeoutMs ?? STS_DEADLINES.callMs;
  const agent = { keepAlive: true, maxSockets: 256, maxFreeSockets: 64 };
  const requestHandler = new NodeHttpHandler({
    // Agents of our own: Node's global ones may be told to use a proxy, and TLS checks can be switched off from outside.
    httpAgent: new HttpAgent(agent),
    httpsAgent: new HttpsAgent({ ...agent, rejectUnauthorized: true, minVersion: 'TLSv1.2' }),
    connectionTimeout: Math.min(STS_DEADLINES.connectMs, timeoutMs),
    requestTimeout: Math.min(STS_DEADLINES.requestMs, timeoutMs),
    throwOnRequestTimeout: true,
    socketTimeout: STS_DEADLINES.requestMs + STS_DEADLINES.connectMs,
  });
  const clients = new Map<string, STSClient>();

  function configFor(region: string): STSClientConfig {
    // The list of regions is asked in front of the sandbox too, so that tests meet what AWS would.
    const endpoint = stsEndpoint(region);
    return closedConfig(region, options.endpointUrl ?? endpoint, requestHandler);
  }

  function unsignedClient(region: string): STSClient {
    const known = clients.get(region);
    if (known) return known;
    const client = openClient({
      ...configFor(region),
      authSchemePreference: ['smithy.api#noAuth'],
      credentials: async () => {
        throw new Error('the unsigned client was asked to sign');
      },
    });
    clients.set(region, client);
    return client;
  }

  function openClient(config: STSClientConfig): STSClient {
    const client = new STSClient(config);
    // Copies trace ids from AWS Lambda's variables into headers.
    client.middlewareStack.remove('recursionDetectionMiddleware');
    // The SDK's own bucket of retries is a client's: what one account's throttling takes out would be missing for all others.
    client.config.retryStrategy = async () => new StandardRetryStrategy(client.config.maxAttempts);
    return client;
  }

  async function call<T>(send: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await withDeadline(timeoutMs, send);
    } catch (error) {
      throw toStsError(error);
    }
  }

  return {
    assumeRoleWithWebIdentity: (input) =>
      call(async (abortSignal) => {
        const command = new AssumeRoleWithWebIdentityCommand({
          RoleArn: input.roleArn,
          RoleSessionName: input.roleSessionName,
          WebIdentityToken: input.token,
          DurationSeconds: input.durationSeconds,
          ...(input.policy === undefined ? {} : { Policy: input.policy }),
          ...(input.policyArns === undefined || input.policyArns.length === 0
            ? {}
            : { PolicyArns: input.policyArns.map((arn) => ({ arn })) }),
        });
        const answer = await unsignedClient(input.region).send(command, { abortSignal });
        const { Credentials: credentials, AssumedRoleUser: role } = answer;
        const requestId = answer.$metadata.requestId ?? '';
        if (!credentials?.AccessKeyId || !credentials.SecretAccessKey || !credentials.SessionToken)
          throw unreadable(requestId);
        if (!credentials.Expiration || !role?.Arn || !role.AssumedRoleId) throw unreadable(requestId);
        return {
          accessKeyId: credentials.AccessKeyId,
          secretAccessKey: credentials.SecretAccessKey,
          sessionToken: credentials.SessionToken,
          expiration: credentials.Expiration,
          assumedRoleArn: role.Arn,
          assumedRoleId: role.AssumedRoleId,
          packedPolicySize: answer.PackedPolicySize,
          requestId,
        };
      }),

    getCallerIdentity: ({ region, credentials }) =>
      call(async (abortSignal) => {
        // Credentials live as long as their call: a client of its own on the same connections.
        const client = openClient({
          ...configFor(region),
          authSchemePreference: ['aws.auth#sigv4'],
          credentials: { ...credentials },
        });
        const answer = await client.send(new GetCallerIdentityCommand({}), { abortSignal });
        const requestId = answer.$metadata.requestId ?? '';
        if (!answer.Account || !answer.Arn || !answer.UserId) throw unreadable(requestId);
        return { account: answer.Account, arn: answer.Arn, userId: answer.UserId, requestId };
      }),

    close: () => requestHandler.destroy(),
  };
}

function unreadable(requestId: string): StsError {
  return new StsError({
    side: 'transient',
    awsCode: 'Unreadable',
    awsMessage: 'AWS STS answered without what it promises.',
    requestId,
  });
}
