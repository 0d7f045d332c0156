// The main job by the command alone, against the service and the sandbox: a template, a stack, active, credentials that work.
import { CloudFormationClient, CreateStackCommand } from '@aws-sdk/client-cloudformation';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { join } from 'node:path';
import t from 'tap';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { startTestService, tempDir } from '../support/service.ts';
import { cli, REAL_TIME } from './stand-in.ts';

const ACCOUNT = '123456789012';

t.test('from nothing to session credentials', async (t) => {
  const sandbox = await startSandbox({ jwksCacheSeconds: 5 });
  t.teardown(() => sandbox.close());
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const host = { SOCKET_PATH: service.config.socketPath };
  const keyFile = join(tempDir(t), 'billing.pem');
  const done = async (env: Record<string, string>, ...argv: string[]): Promise<string> => {
    const { code, stdout, stderr } = await cli(argv, env, REAL_TIME);
    t.equal(code, 0, `${argv.slice(0, 2).join(' ')} ${stderr}`);
    return stdout;
  };

  const create = ['connection', 'create', '--name', 'Acme', '--account', ACCOUNT, '--permission-set', 'read-only'];
  await done(host, ...create, '--reference', 'acme');
  const template = await done(host, 'connection', 'template', 'acme');
  const { accessKeyId, secretAccessKey } = sandbox.account(ACCOUNT);
  const owner = { region: 'us-east-1', endpoint: sandbox.url, credentials: { accessKeyId, secretAccessKey } };
  const stack = { StackName: 'countersign', TemplateBody: template, Capabilities: ['CAPABILITY_NAMED_IAM' as const] };
  await new CloudFormationClient(owner).send(new CreateStackCommand(stack));
  await done(host, 'connection', 'verify', 'acme');
  t.match(await done(host, 'connection', 'wait', 'acme'), /^state +active$/m);

  const workload = JSON.parse(
    await done(host, 'workload', 'create', 'billing', '--generate-key', keyFile, '--json'),
  ) as { id: string };
  const billing = {
    COUNTERSIGN_URL: service.url,
    COUNTERSIGN_CLIENT_ID: workload.id,
    COUNTERSIGN_PRIVATE_KEY_FILE: keyFile,
  };
  t.match(await cli(['credentials', 'acme'], billing), { code: 4, stdout: '' }, 'not granted answers as not there');
  t.match(await cli(['doctor', '--connection', 'acme'], billing), { code: 1, stdout: /\[connection_grant\] acme/ });
  await done(host, 'grant', 'create', '--workload', 'billing', '--connection', 'acme');
  t.match(await done(billing, 'doctor', '--connection', 'acme'), /\[connection_credentials\] acme/);
  const signin = { ...billing, SIGNIN_ENDPOINT_URL: sandbox.url };
  const link = (await done(signin, 'signin', 'acme', '--destination', '/s3/buckets')).trim();
  t.match(
    (await fetch(link, { redirect: 'manual' })).headers.get('location'),
    'https://console.aws.amazon.com/s3/buckets',
  );
  t.equal((await fetch(link, { redirect: 'manual' })).status, 400, 'a link signs one browser in');
  const handed = JSON.parse(await done(billing, 'credentials', 'acme', '--format', 'credential-process')) as Record<
    string,
    string
  >;
  const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '' } = handed;
  const session = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
  const who = await new STSClient({ region: 'us-east-1', endpoint: sandbox.url, credentials: session }).send(
    new GetCallerIdentityCommand({}),
  );
  t.match(who, { Account: ACCOUNT, Arn: /:assumed-role\/countersign-[a-z2-7]{10}\// });
});
