// `countersign agent` as a process: what it prints and writes, outages, kill -9, refusals, and how it ends.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startGranted } from '../support/agent.ts';
import { startAgentProcess } from '../support/command.ts';
import { findLastingPort } from '../support/ports.ts';
import { tempDir } from '../support/service.ts';

async function get(url: string, authorization: string): Promise<{ status: number; body: Record<string, string> }> {
  const answer = await fetch(url, { headers: { authorization } });
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
}

t.test('serves a granted connection, through outages and restarts, until it is refused', async (t) => {
  const { sandbox, service, env, grant } = await startGranted(t);
  const port = await findLastingPort();
  const tokenFile = join(tempDir(t), 'run/token');
  const argv = ['--listen', `127.0.0.1:${port}`, '--token-file', tokenFile];
  const agent = await startAgentProcess(t, env, argv);
  const uri = agent.environment['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '';
  t.equal(uri, `http://127.0.0.1:${port}/v1/connections/acme/credentials`);
  t.equal(agent.environment['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'], tokenFile);
  const first = agent.bearer();
  t.match(first, /^Bearer [\w-]{43}$/, 'no newline');
  t.equal(statSync(tokenFile).mode & 0o777, 0o600);
  t.equal(statSync(join(tokenFile, '..')).mode & 0o777, 0o700);

  const given = await get(uri, first);
  t.match(given, { status: 200, body: { AccessKeyId: /^ASIA/, Region: 'us-east-1' } });
  const refused = await get(uri.replace('acme', 'nobodys'), first);
  t.match(refused, { status: 404, body: { Code: 'not_found', Message: /\(request rq_/ } });

  agent.child.kill('SIGKILL');
  await agent.ended;
  const again = await startAgentProcess(t, env, argv);
  const second = again.bearer();
  t.not(second, first, 'the bearer is a new one');
  t.equal((await get(uri, first)).status, 401);
  t.equal((await get(uri, second)).status, 200);

  await service.call('DELETE', `/v1/grants/${grant}`);
  await sandbox.close();
  t.equal((await get(uri, second)).status, 200, 'kept, and not asked for again before half of its life');
  await service.close();
  const away = await get(uri, second);
  t.match(away, { status: 200, body: { AccessKeyId: /^ASIA/ } }, 'the service and STS are gone');

  again.child.kill('SIGTERM');
  t.same(await again.ended, { code: 0, signal: null });
  t.notOk(existsSync(tokenFile), 'its bearer is worth nothing any more');
  const log = again.stderr();
  t.match(log, /session obtained/);
  for (const secret of [
    second.slice(7),
    given.body['SecretAccessKey'],
    away.body['SecretAccessKey'],
    away.body['Token'],
  ])
    t.notOk((log + again.stdout()).includes(secret ?? '-'), 'no secret in what it said');
});
