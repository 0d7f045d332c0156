// The STS door: what goes over the wire, how long it may take, what is retried, and that nothing sent comes back in an error.
import { inspect } from 'node:util';
import t from 'tap';
import { createAwsSts } from '../../src/clouds/aws.ts';
import { StsError } from '../../src/clouds/aws-errors.ts';
import { ASSUMED, failure, IDENTITY, startFakeSts } from './fake-sts.ts';

const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjbl90ZXN0In0.c2lnbmF0dXJl';
const input = {
  region: 'eu-west-1',
  roleArn: 'arn:aws:iam::111122223333:role/r',
  roleSessionName: 's',
  token: TOKEN,
  durationSeconds: 900,
};

async function failureOf(promise: Promise<unknown>): Promise<StsError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof StsError)) throw new Error(`expected a StsError, got ${inspect(error)}`);
  return error;
}

t.test('AssumeRoleWithWebIdentity goes out unsigned, with exactly what was asked', async (t) => {
  const fake = await startFakeSts(t);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  const session = await sts.assumeRoleWithWebIdentity({
    ...input,
    policy: '{"Statement":[]}',
    policyArns: ['arn:aws:iam::aws:policy/A'],
  });
  const [call] = fake.received;
  t.same(Object.fromEntries(call?.form ?? []), {
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: input.roleArn,
    RoleSessionName: 's',
    WebIdentityToken: TOKEN,
    DurationSeconds: '900',
    Policy: '{"Statement":[]}',
    'PolicyArns.member.1.arn': 'arn:aws:iam::aws:policy/A',
  });
  t.equal(call?.headers.authorization, undefined);
  t.match(session, {
    accessKeyId: 'ASIAEXAMPLE',
    assumedRoleId: 'AROAEXAMPLEEXAMPLE123:s',
    packedPolicySize: 25,
    expiration: new Date('2026-11-21T05:00:00Z'),
  });
  t.ok(session.requestId);
});

t.test('managed policies go out without a policy of the grant, too', async (t) => {
  const fake = await startFakeSts(t);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  await sts.assumeRoleWithWebIdentity({
    ...input,
    policyArns: ['arn:aws:iam::aws:policy/A', 'arn:aws:iam::aws:policy/B'],
  });
  const {
    'PolicyArns.member.1.arn': first,
    'PolicyArns.member.2.arn': second,
    Policy,
  } = Object.fromEntries(fake.received[0]?.form ?? []);
  t.same([first, second, Policy], ['arn:aws:iam::aws:policy/A', 'arn:aws:iam::aws:policy/B', undefined]);
});

t.test('GetCallerIdentity is signed with the session it asks about, in its region', async (t) => {
  const fake = await startFakeSts(t, [{ body: IDENTITY }]);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  const identity = await sts.getCallerIdentity({
    region: 'eu-west-1',
    credentials: { accessKeyId: 'ASIAONE', secretAccessKey: 'x', sessionToken: 'session-one' },
  });
  t.match(identity, { account: '111122223333', userId: 'AROAEXAMPLEEXAMPLE123:s' });
  t.match(fake.received[0]?.headers.authorization, /^AWS4-HMAC-SHA256 Credential=ASIAONE\/\d{8}\/eu-west-1\/sts\//);
  t.equal(fake.received[0]?.headers['x-amz-security-token'], 'session-one');
});

t.test('a region that is not in the list is never called', async (t) => {
  const fake = await startFakeSts(t);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  for (const region of ['evil.example', 'us-east-1.evil.example/', 'us-gov-east-9', '']) {
    const error = await failureOf(sts.assumeRoleWithWebIdentity({ ...input, region }));
    t.equal(error.side, 'ours');
  }
  t.equal(fake.received.length, 0);
});

t.test('what passes by itself is retried, a bounded number of times', async (t) => {
  const idp = { status: 400, body: failure('IDPCommunicationError', 'could not reach the IdP') };
  const fake = await startFakeSts(t, [idp, { reset: true }, { body: ASSUMED }]);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  await sts.assumeRoleWithWebIdentity(input);
  t.equal(fake.received.length, 3);
  fake.received.length = 0;
  fake.answers = [idp];
  const error = await failureOf(sts.assumeRoleWithWebIdentity(input));
  t.match(error, { side: 'transient', awsCode: 'IDPCommunicationError' });
  t.equal(fake.received.length, 3);
});

t.test('an account that is throttled uses up no retries of another', async (t) => {
  const throttled = { status: 400, body: failure('Throttling', 'Rate exceeded') };
  const fake = await startFakeSts(t, [throttled]);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  // Together they ask for more retries than a bucket of the SDK's has.
  await Promise.all(Array.from({ length: 60 }, () => failureOf(sts.assumeRoleWithWebIdentity(input))));
  fake.received.length = 0;
  fake.answers = [throttled, throttled, { body: ASSUMED }];
  const roleArn = 'arn:aws:iam::444455556666:role/r';
  t.ok(await sts.assumeRoleWithWebIdentity({ ...input, roleArn }));
  t.equal(fake.received.length, 3);
});

t.test('a refusal is not retried', async (t) => {
  const fake = await startFakeSts(t, [{ status: 403, body: failure('AccessDenied', 'Not authorized') }]);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  t.match(await failureOf(sts.assumeRoleWithWebIdentity(input)), {
    side: 'account_owner',
    awsCode: 'AccessDenied',
    requestId: /./,
  });
  t.equal(fake.received.length, 1);
});

t.test('the deadline holds, whether AWS is silent or sends it to sleep', async (t) => {
  const fake = await startFakeSts(t, [{ afterMs: Infinity }]);
  const sts = createAwsSts({ endpointUrl: fake.url, timeoutMs: 300 });
  t.teardown(() => sts.close());
  const started = performance.now();
  t.match(await failureOf(sts.assumeRoleWithWebIdentity(input)), { side: 'transient', awsCode: 'Timeout' });
  fake.answers = [{ status: 503, body: failure('ServiceUnavailable', 'later'), headers: { 'retry-after': '3600' } }];
  t.match(await failureOf(sts.assumeRoleWithWebIdentity(input)), { side: 'transient' });
  t.ok(performance.now() - started < 10_000, 'well before the SDK would have given up');
});

t.test('a port that nobody listens on', async (t) => {
  const fake = await startFakeSts(t);
  const sts = createAwsSts({ endpointUrl: 'http://127.0.0.1:9', timeoutMs: 3000 });
  t.teardown(() => sts.close());
  t.match(await failureOf(sts.assumeRoleWithWebIdentity(input)), { side: 'transient', awsCode: 'Unreachable' });
  t.equal(fake.received.length, 0);
});

t.test('an error never carries the token, though AWS echoes it and the SDK keeps the request', async (t) => {
  const echo = `1 validation error detected: Value '${TOKEN}' at 'webIdentityToken' failed to satisfy constraint`;
  const fake = await startFakeSts(t, [{ status: 400, body: failure('ValidationError', echo) }]);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  const error = await failureOf(sts.assumeRoleWithWebIdentity(input));
  t.match(error, {
    side: 'ours',
    awsCode: 'ValidationError',
    awsMessage: /^1 validation error detected: Value '\[token\]'/,
  });
  const everything = inspect(error, { depth: 20, showHidden: true });
  for (const part of TOKEN.split('.')) t.notMatch(everything, part);
});

t.test('an answer that is not from AWS is told as such', async (t) => {
  const fake = await startFakeSts(t, [
    { status: 403, body: '<html><body>Blocked by the proxy</body></html>', headers: { 'content-type': 'text/html' } },
  ]);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  t.match(await failureOf(sts.assumeRoleWithWebIdentity(input)), { side: 'transient', awsCode: 'Unreadable' });
  fake.answers = [{ body: ASSUMED.replace(/<Credentials>.*<\/Credentials>/s, '') }];
  t.match(await failureOf(sts.assumeRoleWithWebIdentity(input)), { side: 'transient', awsCode: 'Unreadable' });
});

t.test('a cut or an endless answer is told as such, and leaves nothing behind', async (t) => {
  const fake = await startFakeSts(t, [{ body: ASSUMED.slice(0, 300), missing: 500 }]);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  t.match(await failureOf(sts.assumeRoleWithWebIdentity(input)), { side: 'transient' });
  fake.answers = [
    {
      body: ASSUMED.replace(
        '</AssumeRoleWithWebIdentityResult>',
        `<X>${'x'.repeat(8 * 1024 * 1024)}</X></AssumeRoleWithWebIdentityResult>`,
      ),
    },
  ];
  const error = await failureOf(sts.assumeRoleWithWebIdentity(input));
  t.match(error, { side: 'account_owner', awsCode: 'AnswerTooLarge', requestId: 'req-h' });
  t.notMatch(inspect(error, { depth: 20, showHidden: true }), /token-one|statusCode|IncomingMessage|c2lnbmF0dXJl/);
  fake.answers = [{ status: 403, body: 'x'.repeat(8 * 1024 * 1024) }];
  t.match(
    await failureOf(sts.assumeRoleWithWebIdentity(input)),
    { side: 'transient', awsCode: 'Unreadable' },
    'a page',
  );
  fake.answers = [{ body: ASSUMED.replace('session<', `${'s'.repeat(100_000)}<`) }];
  t.equal(
    (await sts.assumeRoleWithWebIdentity(input)).sessionToken.length,
    100_000,
    'a long session token is none of that',
  );
});

t.test('one connection is kept for many calls', async (t) => {
  const fake = await startFakeSts(t);
  const sts = createAwsSts({ endpointUrl: fake.url });
  t.teardown(() => sts.close());
  for (let call = 0; call < 3; call += 1) await sts.assumeRoleWithWebIdentity(input);
  t.equal(new Set(fake.received.map((call) => call.port)).size, 1);
});
