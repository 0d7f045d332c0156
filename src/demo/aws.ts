// The real AWS SDK clients, pointed at the sandbox and closed to everything else.
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { IAMClient } from '@aws-sdk/client-iam';
import { STSClient } from '@aws-sdk/client-sts';

export const REGION = 'us-east-1';

export interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** Region, endpoint and credentials are given: none is looked for in variables, profiles or an instance's metadata. */
function closedTo(endpoint: string, credentials: Keys) {
  return {
    ...{ endpoint, credentials, region: REGION, maxAttempts: 2, profile: 'countersign-demo' },
    ...{ useFipsEndpoint: false, useDualstackEndpoint: false, ignoreConfiguredEndpointUrls: true },
    ...({ defaultsMode: 'standard', retryMode: 'standard' } as const),
  };
}

interface Closable {
  destroy(): void;
}

async function using<C extends Closable, T>(client: C, call: (client: C) => Promise<T>): Promise<T> {
  try {
    return await call(client);
  } finally {
    client.destroy();
  }
}

export function withSts<T>(endpoint: string, keys: Keys, call: (client: STSClient) => Promise<T>): Promise<T> {
  return using(new STSClient(closedTo(endpoint, keys)), call);
}

export function withIam<T>(endpoint: string, keys: Keys, call: (client: IAMClient) => Promise<T>): Promise<T> {
  return using(new IAMClient(closedTo(endpoint, keys)), call);
}

export function withCloudFormation<T>(
  endpoint: string,
  keys: Keys,
  call: (client: CloudFormationClient) => Promise<T>,
): Promise<T> {
  return using(new CloudFormationClient(closedTo(endpoint, keys)), call);
}
