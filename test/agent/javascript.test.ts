// The AWS SDK for JavaScript, unchanged, through the service and through the agent: sessions, refreshes, and refusals as it shows them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ACCOUNT, startGranted } from '../support/agent.ts';
import { breakTrust, type Way, waysTo } from './ways.ts';

type Answers = Record<string, string>;

/** A program that was told where to fetch its session, and nothing else. */
function startProgram(t: Test, { uri, tokenFile }: Way, endpoint: string): (line: string) => Promise<Answers> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'javascript-sdk.ts')], {
    env: {
      ...{ PATH: process.env['PATH'], HOME: '/nonexistent', AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL_STS: endpoint },
      ...{ AWS_CONTAINER_CREDENTIALS_FULL_URI: uri('acme'), AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile },
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  t.teardown(async () => {
    child.kill();
    await ended;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (line) => {
    child.stdin.write(`${line}\n`);
    return JSON.parse((await lines.next()).value as string) as Answers;
  };
}

t.test('sessions, refreshed by the SDK itself, and what is refused', async (t) => {
  const granted = await startGranted(t);
  const { service, connection, workload, grant, sandbox } = granted;
  const ways = await waysTo(t, granted);
  const programs = ways.map((way) => ({ ...way, ask: startProgram(t, way, sandbox.url) }));
  const change = async (method: string, path: string, body?: object): Promise<void> => {
    const { status } = await service.call(method, path, body);
    t.ok(status < 300, `${method} ${path}`);
  };
  /** Another duration is another session: nothing that was kept is given. */
  let seconds = 900;
  const refused = async (
    what: string,
    target: (query: string) => string,
    expected: [Answers, Answers],
  ): Promise<void> => {
    for (const [index, { name, uri, ask }] of programs.entries())
      t.match(
        await ask(`refusal ${uri(target(`duration_seconds=${++seconds}`))}`),
        expected[index],
        `${what}, by ${name}`,
      );
  };
  const shown = (status: number, Code: string, Message: RegExp): [Answers, Answers] => {
    const answer = { message: `Server responded with status: ${status}`, Code, Message } as unknown as Answers;
    return [answer, answer];
  };

  const first = await Promise.all(programs.map(({ ask }) => ask('who')));
  for (const [index, { name }] of programs.entries())
    t.match(first[index], { Account: ACCOUNT, Arn: /:assumed-role\/countersign-/, key: /^ASIA/ }, name);
  await change('PATCH', `/v1/grants/${grant}`, { max_session_seconds: 7200 });
  for (const [index, { name, renew, ask }] of programs.entries()) {
    await renew();
    t.equal(
      (await ask('keyAfter 50'))['key'],
      first[index]?.['key'],
      `by ${name} it keeps its session until its end is near`,
    );
    // It gives what it has while it fetches.
    let after = await ask('keyAfter 56');
    for (let looks = 0; looks < 300 && after['key'] === first[index]?.['key']; looks++) {
      await delay(50);
      after = await ask('keyAfter 56');
    }
    t.match(after, { key: /^ASIA/ });
    t.not(after['key'], first[index]?.['key'], `by ${name} it fetched another, with what the token file holds now`);
    t.match(await ask('who'), { Account: ACCOUNT, key: after['key'] }, name);
  }

  await refused(
    'a connection that is not there',
    (query) => `nobodys?${query}`,
    shown(404, 'not_found', /\(request rq_/),
  );
  await refused(
    'a purpose without a grant',
    (query) => `acme?purpose=report&${query}`,
    shown(404, 'not_found', /grant/),
  );
  await breakTrust(granted);
  await refused(
    'the trust',
    (query) => `acme?${query}`,
    shown(403, 'sts_refused', /AccessDenied[^]*trust[^]*\(request rq_/i),
  );
  await change('PATCH', `/v1/connections/${connection.id}`, { state: 'paused' });
  await refused(
    'a connection that is paused',
    (query) => `acme?${query}`,
    shown(409, 'connection_not_active', /paused/),
  );
  await change('PATCH', `/v1/workloads/${workload.id}`, { state: 'suspended' });
  const [[direct], [, byToken]] = [
    shown(403, 'workload_suspended', /suspended/),
    shown(400, 'unauthorized_client', /suspended/),
  ];
  await refused('a workload that is suspended', (query) => `acme?${query}`, [direct, byToken]);
  await service.close();
  const away = { message: 'Server responded with status: 503' };
  t.match(await programs[1]?.ask(`refusal ${programs[1].uri('acme?duration_seconds=999')}`), away);
});
