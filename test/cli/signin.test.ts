// `countersign signin`: a link for a browser, from a session, by AWS's sign-in endpoint; and what is never shown.
import t from 'tap';
import { readDestination } from '../../src/cli/signin.ts';
import { CONNECTION, cli, problem, startStandIn } from './stand-in.ts';

const ROUTE = `POST /v1/connections/${CONNECTION}/credentials`;
const SECRETS = ['wJalrXUtnFEMI', 'IQoJb3JpZ2luX2Vj+/==', 'ASIAEXAMPLEEXAMPLE12'];
const [SecretAccessKey, Token, AccessKeyId] = SECRETS;
const HANDED = {
  ...{ AccessKeyId, SecretAccessKey, Token, Expiration: '2026-11-21T10:00:00Z', AccountId: '123456789012' },
  RoleArn: 'arn:aws:iam::123456789012:role/countersign-x',
};

t.test('a destination is a page of the console, and of its partition', async (t) => {
  const pages: [string, string | undefined, string | undefined][] = [
    ['/s3/buckets?region=eu-west-1', undefined, 'https://console.aws.amazon.com/s3/buckets?region=eu-west-1'],
    ['/ec2', 'console.amazonaws.cn', 'https://console.amazonaws.cn/ec2'],
    ['https://eu-west-1.console.aws.amazon.com/s3/', undefined, 'https://eu-west-1.console.aws.amazon.com/s3/'],
    ['https://console.amazonaws-us-gov.com/x', undefined, 'https://console.amazonaws-us-gov.com/x'],
    ['https://console.amazonaws-us-gov.com/x', 'console.aws.amazon.com', undefined],
    ['//evil.example/x', undefined, undefined],
    ['/\\evil.example/x', undefined, undefined],
    ['http://console.aws.amazon.com/', undefined, undefined],
    ['https://console.aws.amazon.com:444/', undefined, undefined],
    ['https://console.aws.amazon.com@evil.example/', undefined, undefined],
    ['https://u:p@console.aws.amazon.com/', undefined, undefined],
    ['https://evilconsole.aws.amazon.com/', undefined, undefined],
    ['https://console.aws.amazon.com.evil.example/', undefined, undefined],
    ['javascript:alert(1)', undefined, undefined],
    ['s3', undefined, undefined],
  ];
  for (const [text, host, wanted] of pages) {
    if (wanted === undefined) t.throws(() => readDestination(text, host), { code: 'usage' }, text);
    else t.equal(readDestination(text, host), wanted);
  }
});

t.test('the secrets go in the body of a POST; the link alone is on stdout, what to know of it on stderr', async (t) => {
  const standIn = await startStandIn(t, {
    [ROUTE]: { body: HANDED },
    'POST /federation': { body: { SigninToken: 'a+b/c' } },
  });
  const env = { ...standIn.env, SIGNIN_ENDPOINT_URL: standIn.url };
  const { code, stdout, stderr } = await cli(
    ['signin', CONNECTION, '--purpose', 'support', '--destination', '/s3/buckets', '--verbose'],
    env,
  );
  t.equal(code, 0);
  t.match(standIn.calls[0], { body: { purpose: 'support' } });
  const asked = standIn.calls[1];
  t.same(asked?.query, {}, 'no secret is in the URL');
  t.match(asked, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  t.same(Object.fromEntries(new URLSearchParams(asked?.text)), {
    Action: 'getSigninToken',
    Session: JSON.stringify({ sessionId: AccessKeyId, sessionKey: SecretAccessKey, sessionToken: Token }),
  });
  const link = new URL(stdout.trim());
  t.equal(stdout, `${link.href}\n`);
  t.same(Object.fromEntries(link.searchParams), {
    ...{ Action: 'login', Destination: 'https://console.aws.amazon.com/s3/buckets', SigninToken: 'a+b/c' },
  });
  t.match(stderr, /secret.*15 minutes.*countersign-x.*2026-11-21T10:00:00Z/s);
  t.notMatch(stderr, 'SigninToken');
  for (const secret of SECRETS) t.notMatch(`${stdout}${stderr}`, secret);
  const told = (await cli(['signin', CONNECTION, '--json'], env)).json();
  t.match(told, { url: /Action=login/, account_id: '123456789012', session_expires_at: '2026-11-21T10:00:00Z' });
});

t.test('nothing is asked for where the call is wrong', async (t) => {
  const standIn = await startStandIn(t, { [ROUTE]: { body: HANDED } });
  for (const argv of [
    ['--destination', 'https://evil.example/'],
    ['--signin-url', 'http://signin.example.com'],
  ])
    t.match(await cli(['signin', CONNECTION, ...argv], standIn.env), { code: 2, stdout: '' });
  t.equal(standIn.calls.length, 0);
});

t.test('a fault names its step, and shows nothing that was sent', async (t) => {
  const cases: [string, object, RegExp, number][] = [
    ['not granted', { [ROUTE]: problem(404, 'not_found', 'There is no such connection.') }, /\[not_found\]/, 4],
    [
      'another partition',
      { [ROUTE]: { body: { ...HANDED, RoleArn: 'arn:aws-iso:iam::1:role/x' } } },
      /\[partition_un/,
      1,
    ],
    [
      'a page of another partition',
      { [ROUTE]: { body: { ...HANDED, RoleArn: 'arn:aws-cn:iam::1:role/x' } } },
      /console\.amazonaws\.cn/,
      2,
    ],
    [
      'AWS refuses',
      { [ROUTE]: { body: HANDED }, 'POST /federation': { status: 400, body: `<p>${Token}</p>` } },
      /answered 400.*\[signin_refused\]/,
      1,
    ],
    ['no token', { [ROUTE]: { body: HANDED }, 'POST /federation': { body: {} } }, /\[signin_refused\]/, 1],
    ['no JSON', { [ROUTE]: { body: HANDED }, 'POST /federation': { body: `${Token}` } }, /\[signin_refused\]/, 1],
    ['AWS is away', { [ROUTE]: { body: HANDED }, 'POST /federation': { reset: true } }, /\[signin_unreachable\]/, 1],
  ];
  for (const [name, routes, message, exit] of cases) {
    const standIn = await startStandIn(t, routes as Parameters<typeof startStandIn>[1]);
    const page = name === 'a page of another partition' ? ['--destination', 'https://console.aws.amazon.com/'] : [];
    const { code, stdout, stderr } = await cli(
      ['signin', CONNECTION, '--signin-url', standIn.url, '--verbose', ...page],
      standIn.env,
    );
    t.equal(code, exit, name);
    t.equal(stdout, '', name);
    t.match(stderr, message, name);
    for (const secret of SECRETS) t.notMatch(stderr, secret, name);
  }
});
