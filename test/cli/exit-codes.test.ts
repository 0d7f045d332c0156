// How a run ends: exit codes, what is said on stderr, nothing that only a developer understands.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { cli, problem, startStandIn } from './stand-in.ts';

const TOKEN = { COUNTERSIGN_TOKEN: 'tok' };

t.test('0 when it is done, with nothing on stderr', async (t) => {
  const { url } = await startStandIn(t, { 'GET /v1/whoami': { body: { kind: 'workload', id: 'wl_x', scopes: [] } } });
  const ended = await cli(['whoami', '--json', '--url', url], TOKEN);
  t.match(ended, { code: 0, stderr: '' });
  t.same(ended.json(), { kind: 'workload', id: 'wl_x', scopes: [] });
});

t.test('1 when it is refused: detail, code, hint and request id, no stack', async (t) => {
  const { url } = await startStandIn(t, {
    'GET /v1/whoami': problem(
      403,
      'workload_suspended',
      'This workload is suspended.',
      'An administrator can resume it.',
    ),
  });
  const ended = await cli(['whoami'], { ...TOKEN, COUNTERSIGN_URL: url });
  t.equal(ended.code, 1);
  t.equal(ended.stdout, '');
  t.equal(
    ended.stderr,
    'error: This workload is suspended. [workload_suspended]\nhint: An administrator can resume it.\nrequest: rq_problem\n',
  );
});

t.test("where AWS refused, AWS's own request id is there for AWS's support", async (t) => {
  const refused = problem(403, 'sts_refused', 'AWS STS answered AccessDenied.');
  const body = { ...(refused.body as object), sts_request_id: 'of-aws' };
  const { url } = await startStandIn(t, { 'GET /v1/whoami': { ...refused, body } });
  const env = { ...TOKEN, COUNTERSIGN_URL: url };
  t.match((await cli(['whoami'], env)).stderr, /\nrequest: rq_problem\nrequest at AWS: of-aws\n$/);
  t.match(JSON.parse((await cli(['whoami', '--json'], env)).stderr), { error: { sts_request_id: 'of-aws' } });
});

t.test('with --json the error is JSON, on stderr', async (t) => {
  const { url } = await startStandIn(t, { 'GET /v1/whoami': problem(401, 'invalid_token', 'No.') });
  const ended = await cli(['whoami', '--json'], { ...TOKEN, COUNTERSIGN_URL: url });
  t.equal(ended.stdout, '');
  t.same(JSON.parse(ended.stderr), {
    error: { code: 'invalid_token', detail: 'No.', status: 401, request_id: 'rq_problem' },
  });
});

t.test('4 when there is no such thing', async (t) => {
  const { url } = await startStandIn(t);
  const ended = await cli(['connection', 'show', 'nowhere'], { ...TOKEN, COUNTERSIGN_URL: url });
  t.equal(ended.code, 4);
  t.match(ended.stderr, '[not_found]');
});

t.test('3 when nobody answers, when the answer does not come, when there is no socket', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const refused = await cli(['whoami'], { ...TOKEN, COUNTERSIGN_URL: `http://127.0.0.1:${port}` });
  t.match(refused, { code: 3, stderr: /cannot be reached \(ECONNREFUSED\).*\nhint: .*COUNTERSIGN_URL/ });
  const noSocket = await cli(['whoami'], { SOCKET_PATH: '/nonexistent/x.sock' });
  t.match(noSocket, { code: 3, stderr: /x\.sock cannot be reached \(ENOENT\)/ });
  const noFolder = await cli(['whoami'], { DATA_DIR: '/nonexistent/folder' });
  t.match(noFolder, { code: 3, stderr: /no service of this folder/ });
});

t.test('2 when it is called wrongly, with the nearest word', async (t) => {
  t.match(await cli(['conection', 'list']), { code: 2, stderr: /Did you mean connection\?/ });
  t.match(await cli(['connection', 'lst']), { code: 2, stderr: /Did you mean list\?/ });
  t.match(await cli(['connection', 'list', '--jsn']), { code: 2, stderr: /Did you mean --json\?/ });
  t.match(await cli(['connection', 'show']), { code: 2, stderr: /missing required argument 'connection'/ });
  const unknown = await cli(['frobnicate']);
  t.match(unknown, { code: 2, stderr: /^error: unknown command 'frobnicate'\nhint: .*--help/ });
  t.match(await cli(['grant']), { code: 2, stderr: /Usage: countersign grant/ });
  t.match(await cli(['audit', '--from', 'yesterday']), { code: 2, stderr: /15m, 2h, 7d/ });
  t.match(await cli(['audit', '--limit', '201']), { code: 2, stderr: /from 1 to 200/ });
  t.match(await cli(['grant', 'create', '--workload', 'w', '--all', '--tag', 'novalue']), {
    code: 2,
    stderr: /name=value/,
  });
});

t.test('with --json that is JSON as well, and nothing else is said', async (t) => {
  const hint = 'The same with --help says what there is.';
  for (const [argv, detail] of [
    [['conection', 'list'], "unknown command 'conection' (Did you mean connection?)"],
    [['connection', 'show'], "missing required argument 'connection'"],
    [['audit', '--limit', '201'], /^option '--limit <n>' .* from 1 to 200\.$/],
    [['grant', 'help', 'lst'], 'There is no such command.'],
  ] as const) {
    const ended = await cli([...argv, '--json']);
    t.match(ended, { code: 2, stdout: '' }, argv.join(' '));
    t.match(JSON.parse(ended.stderr), { error: { code: 'usage', detail, hint } });
  }
  t.match(await cli(['grant', 'create', '--json', '--help']), { code: 0, stdout: /^Usage/, stderr: '' });
});

t.test('a URL that would send tokens in the clear, or is none, is refused before anything is sent', async (t) => {
  for (const [url, what] of [
    ['http://id.example.com', /in the clear/],
    ['ftp://127.0.0.1', /not an http/],
    ['id.example.com', /not an http/],
    ['https://user:secret@id.example.com', /no user/],
    ['https://id.example.com/?a=b', /query/],
  ] as const) {
    const ended = await cli(['whoami'], { ...TOKEN, COUNTERSIGN_URL: url });
    t.equal(ended.code, 2, url);
    t.match(ended.stderr, what);
    t.notMatch(ended.stderr, 'secret');
  }
});

t.test('a redirect is not followed: it would carry the token elsewhere', async (t) => {
  const elsewhere = await startStandIn(t, { 'GET /v1/whoami': { body: {} } });
  const { url } = await startStandIn(t, {
    'GET /v1/whoami': { status: 307, headers: { location: `${elsewhere.url}/v1/whoami` }, body: 'moved' },
  });
  const ended = await cli(['whoami'], { ...TOKEN, COUNTERSIGN_URL: url });
  t.match(ended, { code: 1, stderr: /HTTP 307/ });
  t.equal(elsewhere.calls.length, 0);
});

t.test('what is not ours is said so', async (t) => {
  const { url } = await startStandIn(t, { 'GET /v1/whoami': { status: 502, body: '<html>Bad Gateway</html>' } });
  const ended = await cli(['whoami'], { ...TOKEN, COUNTERSIGN_URL: url });
  t.match(ended, { code: 1, stderr: /HTTP 502, and not in Countersign's words/ });
  t.notMatch(ended.stderr, '<html>');
});

t.test('--verbose shows requests and a stack, and never the token', async (t) => {
  const { url } = await startStandIn(t);
  const ended = await cli(['connection', 'show', 'x', '--verbose'], {
    COUNTERSIGN_TOKEN: 'canary-token',
    COUNTERSIGN_URL: url,
  });
  t.match(ended.stderr, `GET ${url}/v1/connections/x -> 404`);
  t.match(ended.stderr, /\n {4}at /);
  t.notMatch(ended.stderr, 'canary-token');
});

t.test('help shows examples, the environment and the exit codes', async (t) => {
  t.match(await cli(['--help']), {
    code: 0,
    stdout: /COUNTERSIGN_PRIVATE_KEY_FILE[^]*Exit codes: 0 done, 1 refused or failed, 2 wrong usage/,
  });
  t.match(await cli(['grant', 'help', 'create']), { code: 0, stdout: /countersign grant create/ });
  t.match(await cli(['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ });
});
