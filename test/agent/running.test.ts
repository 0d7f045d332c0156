// An agent as it runs: it looks by itself after what it keeps, and holds its callers for as long as it says unless told otherwise.
import { pino } from 'pino';
import t from 'tap';
import { startAgent } from '../../src/agent/agent.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { problem, startStandIn, temporaryFolder } from '../cli/stand-in.ts';
import { startAgentProcess, startCommand } from '../support/command.ts';
import { until } from '../support/until.ts';
import { MINUTE, session } from './world.ts';

t.test('past half of its life a session is replaced, though nobody asks', async (t) => {
  let ahead = 0;
  const clock: Clock = { wall: () => systemClock.wall() + ahead, monotonic: () => systemClock.monotonic() + ahead };
  let asked = 0;
  const agent = await startAgent({
    ...{ host: '127.0.0.1', port: 0, clock, random: () => 0.5, holdMs: 5000, log: pino({ level: 'silent' }) },
    who: () => 'billing',
    ask: async () => session(clock, 3600, `K${++asked}`),
  });
  t.teardown(() => agent.close());
  t.equal((await agent.sessions.obtain({ connection: 'acme' })).AccessKeyId, 'K1');
  ahead = 31 * MINUTE;
  t.ok(await until(() => asked === 2), `asked ${asked} times`);
});

t.test('who says nothing of it is held through an outage: by an agent, by exec, and by exec --static', async (t) => {
  const Expiration = `${new Date(Date.now() + 60 * MINUTE).toISOString().slice(0, 19)}Z`;
  const body = { AccessKeyId: 'ASIAX', SecretAccessKey: 'sekret', Token: 'tok', Expiration };
  // An SDK gives up after some four seconds.
  const away = { ...problem(503, 'sts_unavailable', 'STS does not answer.'), headers: { 'retry-after': '6' } };
  const after = (outage: number) => (_received: unknown, nth: number) => (nth < outage ? away : { body });
  const { env } = await startStandIn(t, {
    'POST /v1/connections/acme/credentials': after(1),
    'POST /v1/connections/ours/credentials': after(1),
    // Without an agent it is asked every five seconds.
    'POST /v1/connections/plain/credentials': after(2),
  });
  const exec = (...argv: string[]) => startCommand(t, ['exec', ...argv, '--', process.execPath, '-e', ''], env);
  const running = [exec('ours'), exec('plain', '--static')];
  const argv = ['--listen', '127.0.0.1:0', '--token-file', `${temporaryFolder(t)}/token`];
  const { environment, bearer } = await startAgentProcess(t, env, argv);
  const uri = environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '';
  const answer = await fetch(uri, { headers: { authorization: bearer() } });
  t.match([answer.status, await answer.json()], [200, { AccessKeyId: 'ASIAX' }]);
  for (const { ended, stderr } of running) t.same(await ended, { code: 0, signal: null }, stderr());
});
