// Where no endpoint is configured, nothing of OpenTelemetry is in the process; and log lines name the caller's trace.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findLastingPort } from '../support/ports.ts';
import { startProcess } from '../support/process.ts';
import { call, tempDir } from '../support/service.ts';

const ROOT = join(import.meta.dirname, '../..');

t.test(
  'without an endpoint no module of OpenTelemetry is loaded, and the caller’s trace is answered all the same',
  async (t) => {
    const dir = tempDir(t);
    const [hook, list] = [join(dir, 'hook.mjs'), join(dir, 'loaded')];
    writeFileSync(
      hook,
      `import { registerHooks } from 'node:module';
     import { appendFileSync } from 'node:fs';
     registerHooks({ load: (url, context, next) => { appendFileSync(${JSON.stringify(list)}, url + '\\n'); return next(url, context); } });`,
    );
    const port = await findLastingPort();
    const service = await startProcess(t, {
      ...{ ISSUER_URL: `http://127.0.0.1:${port}`, PORT: String(port), NODE_OPTIONS: `--import=${hook}` },
      KEYS_DIR: join(dir, 'keys'),
    });
    const token = await service.hostToken();
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`;
    const answer = await call(service.url, 'GET', '/v1/whoami', undefined, {
      authorization: `Bearer ${token}`,
      traceparent,
    });
    t.equal(answer.status, 200);
    t.match(answer.headers.get('traceresponse'), /^00-a{32}-(?!b{16})[0-9a-f]{16}-00$/);
    const untraced = await call(service.url, 'GET', '/v1/whoami', undefined, { authorization: `Bearer ${token}` });
    t.equal(untraced.headers.get('traceresponse'), null);
    t.equal((await call(service.url, 'GET', '/metrics')).status, 200);
    t.equal(await service.stop(), 0);
    const loaded = readFileSync(list, 'utf8').trim().split('\n');
    for (const module of ['/src/service.ts', '@prometheus-io/client/lib/counter', '/oidc-provider/'])
      t.ok(
        loaded.some((url) => url.includes(module)),
        `${module}: modules of both kinds were seen`,
      );
    t.same(
      loaded.filter((url) => url.includes('opentelemetry')),
      [],
    );
  },
);

t.test('a line of the log names the trace of the request that it is about', async (t) => {
  const script = `
    import { createLog } from ${JSON.stringify(join(ROOT, 'src/main.ts'))};
    import { runInTrace } from ${JSON.stringify(join(ROOT, 'src/trace.ts'))};
    const log = createLog('info');
    log.info('outside');
    const child = log.child({ request_id: 'rq_1' });
    await runInTrace({ traceId: '${'a'.repeat(32)}', spanId: '${'b'.repeat(16)}', sampled: true }, async () => {
      await null;
      child.warn('inside');
    });`;
  const node = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  node.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const [code] = await once(node, 'close');
  t.equal(code, 0);
  const [outside, inside] = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.notOk('trace_id' in outside);
  t.match(inside, { msg: 'inside', request_id: 'rq_1', trace_id: 'a'.repeat(32) });
});
