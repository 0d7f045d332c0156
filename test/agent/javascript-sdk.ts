// A program with the AWS SDK for JavaScript as it is: it says who it is by the default chain, or what the container endpoint refused.
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { fromHttp } from '@aws-sdk/credential-provider-http';
import { createInterface } from 'node:readline';

// Only what asks whether a session is about to end looks at a clock that is put ahead; requests are signed by the right one.
const now = Date.now;
let ahead = 0;
const client = new STSClient({});

const answers: Record<string, (argument: string) => Promise<object>> = {
  who: async () => {
    const { Account, Arn } = await client.send(new GetCallerIdentityCommand({}));
    return { Account, Arn, key: (await client.config.credentials()).accessKeyId };
  },
  keyAfter: async (minutes) => {
    ahead = Number(minutes) * 60_000;
    Date.now = () => now() + ahead;
    const { accessKeyId, expiration } = await client.config.credentials();
    Date.now = now;
    return { key: accessKeyId, expires: expiration };
  },
  refusal: async (uri) => {
    try {
      await fromHttp({ awsContainerCredentialsFullUri: uri, maxRetries: 0, timeout: 60_000 })();
      return { given: true };
    } catch (error) {
      const { message, Code, Message } = error as Error & { Code?: string; Message?: string };
      return { message, Code, Message };
    }
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name = '', argument = ''] = line.split(' ');
  const answer = await answers[name]?.(argument).catch((error: unknown) => ({ failed: String(error) }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
