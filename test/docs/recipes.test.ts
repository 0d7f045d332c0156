// docs/recipes.md: its JavaScript is run as it stands there, in two accounts at once, against the service and the sandbox.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';
import { listCodeBlocks, readPage, ROOT } from './pages.ts';

/** Run where node finds the packages of the project. */
async function run(t: Test, code: string, argv: string[], env: Record<string, string>) {
  const folder = mkdtempSync(join(ROOT, 'node_modules/.recipes-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'recipe.mjs');
  writeFileSync(file, code);
  const child = spawn(process.execPath, [file, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [status] = (await once(child, 'close')) as [number | null];
  // The SDK's own word on a machine that is busy.
  const warned = /^.*\[WARN\].*requestTimeout.*\n/gm;
  return { status, stdout, stderr: stderr.replaceAll(warned, '') };
}

t.test('JavaScript: one process, each connection in its own account', async (t) => {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const accounts = { east: '111122223333', west: '444455556666' };
  const workload = await registerClient(service, { slug: 'many' });
  for (const [reference, account] of Object.entries(accounts)) {
    const { id } = await connectAccount(service, sandbox, { account, body: { reference } });
    const granted = await service.call('POST', '/v1/grants', { workload: workload.id, selector: { connection: id } });
    t.equal(granted.status, 201);
  }
  const tokenFile = join(t.testdir(), 'token');
  const token = await workloadToken(service, workload, `${service.url}/v1/credentials`);
  writeFileSync(tokenFile, `Bearer ${token}`, { mode: 0o600 });
  const env = {
    ...{ COUNTERSIGN_AGENT: service.url, COUNTERSIGN_AGENT_TOKEN_FILE: tokenFile, AWS_ENDPOINT_URL: sandbox.url },
    // As on ECS.
    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/of-the-task',
  };
  const [code = '', ...more] = listCodeBlocks(readPage('docs/recipes.md'), 'js');
  t.same(more, [], 'one block');
  t.same(await run(t, code, ['east', 'west', 'east'], env), {
    ...{ status: 0, stderr: '', stdout: `east ${accounts.east}\nwest ${accounts.west}\neast ${accounts.east}\n` },
  });
  const { body } = await service.call('GET', '/v1/audit?kind=credentials.handed_out');
  t.equal(body.items.length, 2, 'a client that is kept keeps its session');
});
