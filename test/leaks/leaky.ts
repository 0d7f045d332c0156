// Not a suite: a service that leaks a secret of its own into one sink after the other, for leaks.test.ts to see it found.
import { sql } from 'kysely';
import t from 'tap';
import { keepSecret } from '../support/known-secrets.ts';
import { leaveToSearch } from '../support/left-by-processes.ts';
import { startTestService } from '../support/service.ts';
import { startCollector } from '../tracing/collector.ts';

const secret = keepSecret('the planted secret', `planted-${Math.random().toString(36).slice(2)}-${Date.now()}`);
const written = Buffer.from(secret).toString('base64url');
const ask = globalThis.fetch;

t.test('a table', async (t) => {
  const { database } = await startTestService(t);
  await sql`create table notes (text text)`.execute(database.db);
  await sql`insert into notes values (${`seen: ${written}`})`.execute(database.db);
});

t.test('the log', async (t) => {
  (await startTestService(t)).log.debug({ seen: written });
});

t.test('the metrics', async (t) => {
  await startTestService(t);
  globalThis.fetch = async (...asked) => {
    globalThis.fetch = ask;
    return new Response(`${await (await ask(...asked)).text()}seen{by="${written}"} 1\n`);
  };
});

t.test('a refusal', async (t) => {
  const service = await startTestService(t);
  globalThis.fetch = async () => Response.json({ detail: `seen: ${written}` }, { status: 400 });
  await service.call('GET', '/v1/whoami', undefined, { token: null });
  globalThis.fetch = ask;
});

t.test('a span', async (t) => {
  const { url } = await startCollector(t);
  const attributes = [{ key: 'seen', value: { stringValue: written } }];
  const spans = [{ name: 'a span', traceId: '1', spanId: '2', attributes }];
  await ask(`${url}/v1/traces`, {
    method: 'POST',
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] }),
  });
});

t.test('what a process printed', async (t) => {
  leaveToSearch(t, { url: 'http://127.0.0.1:1', env: {}, log: () => `seen: ${written}` });
});

t.test('nothing', async (t) => {
  const { status } = await (await startTestService(t)).call('GET', '/v1/whoami');
  t.equal(status, 200);
});
