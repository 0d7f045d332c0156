// The console's sign-in in the sandbox: for a living session's own secrets, once, within fifteen minutes, to the console.
import t from 'tap';
import { createWorld } from './world.ts';

const CONSOLE = 'https://eu-west-1.console.aws.amazon.com/s3/buckets?region=eu-west-1';

t.test('a session that STS issued signs in to the console once, within fifteen minutes', async (t) => {
  const { sandbox, clock, assume } = await createWorld(t);
  const { Credentials: issued } = await assume({ DurationSeconds: 3600 });
  const secrets = {
    ...{ sessionId: issued?.AccessKeyId, sessionKey: issued?.SecretAccessKey, sessionToken: issued?.SessionToken },
  };
  const post = (form: Record<string, string>) =>
    fetch(`${sandbox.url}/federation`, { method: 'POST', body: new URLSearchParams(form) });
  const get = (form: Record<string, string>) =>
    fetch(`${sandbox.url}/federation?${new URLSearchParams(form).toString()}`, { redirect: 'manual' });
  const ask = { Action: 'getSigninToken', Session: JSON.stringify(secrets) };
  const tokenOf = async (answer: Response) => ((await answer.json()) as { SigninToken: string }).SigninToken;
  const open = async (SigninToken: string, Destination = CONSOLE) => get({ Action: 'login', SigninToken, Destination });

  const first = await post(ask);
  t.match(first, { status: 200 });
  t.equal(first.headers.get('cache-control'), 'no-store');
  const token = await tokenOf(first);
  for (const elsewhere of [
    ...['https://example.com/', 'http://console.aws.amazon.com/', 'https://console.amazonaws.cn/', 'x', ''],
    ...['https://evilconsole.aws.amazon.com/', 'https://console.aws.amazon.com.example.com/'],
  ])
    t.equal((await open(token, elsewhere)).status, 400, elsewhere);
  const opened = await open(token);
  t.equal(opened.status, 302);
  t.equal(opened.headers.get('location'), CONSOLE);
  t.equal((await open(token)).status, 400, 'it is used up');
  t.equal((await open('made-up')).status, 400);
  t.equal(
    (await post({ Action: 'login', SigninToken: await tokenOf(await get(ask)), Destination: CONSOLE })).status,
    400,
  );

  const late = await tokenOf(await post({ ...ask, SessionDuration: '43200' }));
  clock.now += 15 * 60_000;
  t.equal((await open(late)).status, 400, 'after fifteen minutes');

  const wrong: [string, Record<string, string>][] = [
    ['no secrets', { Action: 'getSigninToken' }],
    ['no JSON', { ...ask, Session: 'x' }],
    ...(['sessionId', 'sessionKey', 'sessionToken'] as const).map((name): [string, Record<string, string>] => [
      `another ${name}`,
      { ...ask, Session: JSON.stringify({ ...secrets, [name]: 'x' }) },
    ]),
    ['too short a console session', { ...ask, SessionDuration: '899' }],
    ['too long a console session', { ...ask, SessionDuration: '43201' }],
    ['another action', { ...ask, Action: 'logout' }],
  ];
  for (const [name, form] of wrong) {
    const answer = await post(form);
    t.equal(answer.status, 400, name);
    t.notMatch(await answer.text(), String(issued?.SecretAccessKey));
  }
  sandbox.faults.add({ kind: 'error', action: 'getSigninToken', status: 503, times: 1 });
  t.equal((await post(ask)).status, 503);
  clock.now += 45 * 60_000;
  t.equal((await post(ask)).status, 400, 'the session has ended');
  t.match(sandbox.calls.at(-1), { action: 'getSigninToken', outcome: 'InvalidRequest' });
});
