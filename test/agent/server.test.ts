// The agent's listener: bearer, Host, paths, and refusals in the shape that SDKs show.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { type Agent, startAgent } from '../../src/agent/agent.ts';
import { Refusal } from '../../src/agent/refusal.ts';
import { hostsAt, listenAsAgent } from '../../src/agent/server.ts';
import type { AskService, Credentials, Wanted } from '../../src/agent/sessions.ts';
import { systemClock } from '../../src/clock.ts';
import { until } from '../support/until.ts';
import { session } from './world.ts';

interface Started extends Agent {
  asked: Wanted[];
  lines: string[];
  /** GET with an Authorization header. */
  get(path: string, authorization?: string, headers?: Record<string, string>): Promise<Response>;
}

async function start(t: Test, answer: AskService = async () => session(systemClock, 3600)): Promise<Started> {
  const asked: Wanted[] = [];
  const lines: string[] = [];
  const agent = await startAgent({
    ...{ host: '127.0.0.1', port: 0, clock: systemClock, random: Math.random, holdMs: 5000 },
    who: () => 'billing',
    ask: (wanted) => (asked.push(wanted), answer(wanted)),
    log: pino({ level: 'debug' }, { write: (line) => void lines.push(line) }),
  });
  t.teardown(() => agent.close());
  const get = (path: string, authorization?: string, headers = {}): Promise<Response> =>
    fetch(agent.url + path, { headers: { ...(authorization === undefined ? {} : { authorization }), ...headers } });
  return { ...agent, asked, lines, get };
}

const PATH = '/v1/connections/acme/credentials';

t.test('a bearer is required, with or without its scheme; nothing is asked without it', async (t) => {
  const { get, bearer, asked } = await start(t);
  for (const wrong of [
    undefined,
    '',
    'Bearer ',
    `Bearer ${bearer}x`,
    bearer.slice(1),
    `Basic ${bearer}`,
    'Bearer undefined',
  ])
    t.match(await (await get(PATH, wrong)).json(), { status: 401, code: 'unauthenticated', Code: 'unauthenticated' });
  t.equal(asked.length, 0);
  for (const right of [bearer, `Bearer ${bearer}`, `bearer ${bearer}`]) {
    const answer = await get(PATH, right);
    t.equal(answer.status, 200, right.slice(0, 7));
    t.equal(answer.headers.get('cache-control'), 'no-store');
    t.match(await answer.json(), { AccessKeyId: 'K', Token: 'a-session-token', Expiration: /^\d{4}-\S+:\d\dZ$/ });
  }
});

/** A request as a browser would send it that was led here by a name of somebody's own. */
async function askAs(agent: Agent, host: string): Promise<string> {
  const socket = connect(Number(new URL(agent.url).port), '127.0.0.1');
  socket.end(`GET ${PATH} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${agent.bearer}\r\nConnection: close\r\n\r\n`);
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(socket, 'close');
  return text;
}

t.test('another Host is refused, the bearer notwithstanding', async (t) => {
  const agent = await start(t);
  const { port } = new URL(agent.url);
  for (const host of [`rebound.example.com:${port}`, '127.0.0.1', `127.0.0.1:1${port}`, `127.0.0.2:${port}`])
    t.match(await askAs(agent, host), /^HTTP\/1\.1 421 [^]*the address that the agent said/, host);
  t.equal(agent.asked.length, 0);
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`])
    t.match(await askAs(agent, host), /^HTTP\/1\.1 200 /, host);
});

t.test(
  'connection, purpose and duration are asked for as they stand in the path; anything else is refused',
  async (t) => {
    const { get, bearer, asked } = await start(t);
    t.equal((await get(`${PATH}?purpose=report&duration_seconds=900`, bearer)).status, 200);
    t.same(asked, [{ connection: 'acme', purpose: 'report', durationSeconds: 900 }]);
    for (const path of [
      '/v1/connections/a%2Fb/credentials',
      `${PATH}?session_policy=x`,
      `${PATH}?duration_seconds=soon`,
    ])
      t.match(await (await get(path, bearer)).json(), {
        status: 400,
        code: 'invalid_request',
        Message: /\(request rq_/,
      });
    t.equal((await get('/v1/connections', bearer)).status, 404);
    t.equal(asked.length, 1);
  },
);

t.test("a refusal keeps the service's code, status, hint, request id and Retry-After", async (t) => {
  const { get, bearer, lines } = await start(t, () =>
    Promise.reject(
      new Refusal('not_found', 'There is no such connection.', {
        status: 404,
        hint: 'Ask for a grant.',
        requestId: 'rq_svc',
        stsRequestId: 'of-aws',
      }),
    ),
  );
  const answer = await get(PATH, bearer);
  t.equal(answer.status, 404);
  t.match(answer.headers.get('content-type'), 'application/problem+json');
  t.match(await answer.json(), {
    ...{ status: 404, code: 'not_found', hint: 'Ask for a grant.', request_id: 'rq_svc', Code: 'not_found' },
    ...{ sts_request_id: 'of-aws' },
    Message: 'There is no such connection. Ask for a grant. (request rq_svc, AWS request of-aws)',
  });
  const busy = await start(t, () =>
    Promise.reject(new Refusal('rate_limited', 'Too many.', { status: 429, retryAfter: 7 })),
  );
  const left = AbortSignal.timeout(100);
  await t.rejects(fetch(busy.url + PATH, { headers: { authorization: busy.bearer }, signal: left }));
  const late = await busy.get(PATH, busy.bearer);
  t.equal(late.status, 429);
  t.equal(late.headers.get('retry-after'), '7');
  t.notMatch([...lines, ...busy.lines].join(''), bearer);
});

t.test('every 503 and 429 says when to ask again, whoever it is of', async (t) => {
  for (const fault of [
    new Refusal('token_over', 'COUNTERSIGN_TOKEN has ended.'),
    new Refusal('sealed', 'The service is sealed.', { status: 503 }),
    new Refusal('rate_limited', 'Too many.', { status: 429 }),
    new Refusal('failed', 'Something went wrong.'),
  ]) {
    const log = pino({ level: 'silent' });
    const obtain = (): Promise<Credentials> => Promise.reject(fault);
    const server = await listenAsAgent({ host: '127.0.0.1', port: 0, bearer: 'b', sessions: { obtain }, log });
    t.teardown(() => server.close());
    const answer = await fetch(server.url + PATH, { headers: { authorization: 'b' } });
    t.match([answer.status, answer.headers.get('retry-after')], [/^(503|429)$/, /^[1-9]/], fault.message);
  }
});

t.test('/livez answers without the bearer, and says nothing', async (t) => {
  const { get } = await start(t);
  t.same(await (await get('/livez')).json(), { status: 'live' });
});

t.test('it ends with the last answer, not with the connection of whoever keeps his', async (t) => {
  const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<Credentials>()];
  const obtain = (): Promise<Credentials> => (asked.resolve(), answer.promise);
  const log = pino({ level: 'silent' });
  const server = await listenAsAgent({ host: '127.0.0.1', port: 0, bearer: 'b', sessions: { obtain }, log });
  // fetch keeps the connection for a next request.
  const given = fetch(server.url + PATH, { headers: { authorization: 'b' } });
  await asked.promise;
  const closing = server.close().then(() => 'closed');
  await t.rejects(
    until(async () => !(await fetch(`${server.url}/livez`)).ok),
    'it takes no more',
  );
  answer.resolve(session(systemClock, 3600));
  t.equal((await given).status, 200);
  t.equal(await Promise.race([closing, delay(20_000, 'still open', { ref: false })]), 'closed');
});

t.test('who asks at port 80 says no port', async (t) => {
  t.same(hostsAt('127.0.0.2', 80).slice(-2), ['127.0.0.2', '127.0.0.2:80']);
  t.same(hostsAt('FD00::1', 9911).slice(-1), ['[fd00::1]:9911']);
});
