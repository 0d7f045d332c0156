// Spans of a running service at a collector: below the caller's, of what was done, with nothing in them that is secret.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { UNCOUNTED } from '../../src/metrics/count.ts';
import { startTraceExport } from '../../src/tracing/export.ts';
import { scrape } from '../metrics/scrape.ts';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import { findLastingPort } from '../support/ports.ts';
import { call, registerClient, startTestService, workloadToken } from '../support/service.ts';
import { startCollector } from './collector.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const SAMPLED = `00-${TRACE}-${SPAN}-01`;
const HEADER_SECRET = 'collector-api-key-3f9a';

/** In front of STS, to see what it is told. */
async function startRecorder(t: Test, target: string) {
  const seen: IncomingMessage['headers'][] = [];
  const server = createServer((incoming, outgoing) => {
    seen.push(incoming.headers);
    const { method = 'GET', headers } = incoming;
    const forwarded = request(target + incoming.url, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on('error', () => outgoing.writeHead(502).end());
    incoming.pipe(forwarded);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

t.test('spans of an exchange stand below the caller’s, and AWS is told nothing of them', async (t) => {
  const collector = await startCollector(t);
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const sts = await startRecorder(t, sandbox.url);
  const service = await startTestService(t, {
    env: {
      STS_ENDPOINT_URL: sts.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: `x-api-key=${HEADER_SECRET},x-other=a%20b`,
    },
  });
  const connection = await connectAccount(service, sandbox);
  const workload = await registerClient(service, { slug: 'billing' });
  await service.call('POST', '/v1/grants', { workload: workload.id, selector: { connection: connection.id } });
  const path = `/v1/connections/${connection.id}/credentials`;
  const token = await workloadToken(service, workload, service.config.issuerUrl + path);
  const answer = await service.call(
    'POST',
    path,
    { duration_seconds: 900 },
    { token, headers: { traceparent: SAMPLED } },
  );
  t.equal(answer.status, 200);

  const ours = await collector.wait(({ traceId, parentSpanId }) => traceId === TRACE && parentSpanId === SPAN);
  t.equal(ours.name, '/v1/connections/:connection/credentials');
  t.same(ours.attributes, {
    'http.request.method': 'POST',
    'http.route': '/v1/connections/:connection/credentials',
    'http.response.status_code': 200,
    'countersign.request_id': answer.headers.get('x-request-id'),
    'countersign.actor': workload.id,
    'countersign.connection': connection.id,
  });
  t.equal(answer.headers.get('traceresponse'), `00-${TRACE}-${ours.spanId}-01`, 'the caller is told which is ours');
  const asked = await collector.wait(({ name, traceId }) => name === 'sts assume_role' && traceId === TRACE);
  t.equal(asked.parentSpanId, ours.spanId);
  t.same(asked.attributes, { 'countersign.outcome': 'ok' });
  const batch = await collector.wait(
    ({ name, links }) => name === 'audit batch' && links.some(({ spanId }) => spanId === ours.spanId),
  );
  t.match(batch.attributes, { 'countersign.rows': Number });
  t.match(await collector.wait(({ name }) => name === '/oauth2/token'), {
    attributes: { 'http.response.status_code': 200 },
  });

  t.ok(sts.seen.length >= 3, 'verified, and asked for credentials');
  for (const headers of sts.seen)
    t.same(
      Object.keys(headers).filter((name) => /trace|baggage|b3|request-id/.test(name)),
      [],
    );

  t.match(collector.headers[0], { 'x-api-key': HEADER_SECRET, 'x-other': 'a b', 'content-type': 'application/json' });
  t.ok((await scrape(service.url)).value('countersign_spans_total{outcome="exported"}') > 3);
  const everything = collector.bodies.join('\n');
  for (const secret of [token, answer.body.SecretAccessKey, answer.body.Token, answer.body.AccessKeyId, HEADER_SECRET])
    t.notOk(everything.includes(secret), 'no secret');
  t.notMatch(everything, /eyJ|111122223333|A customer|arn:aws|duration_seconds/, 'nor what is the customer’s');
  t.notMatch(JSON.stringify(service.logged), HEADER_SECRET);

  const refused = await service.call('GET', `/v1/connections/${connection.id}?x=secret-in-a-query`, undefined, {
    headers: { traceparent: `00-${'a'.repeat(32)}-${SPAN}-01` },
  });
  t.equal(refused.status, 400);
  const span = await collector.wait(({ traceId }) => traceId === 'a'.repeat(32));
  t.match(span.attributes, { 'countersign.code': 'invalid_request', 'countersign.actor': 'host' });
  t.notMatch(collector.bodies.join('\n'), 'secret-in-a-query');
  t.equal(
    (await service.call('GET', '/v1/whoami', undefined, { headers: { traceparent: 'not one' } })).status,
    200,
    'a malformed one is no error',
  );
});

t.test('what its caller does not record is not sent, and documents and probes have no spans', async (t) => {
  const collector = await startCollector(t);
  const service = await startTestService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
  const unsampled = { headers: { traceparent: `00-${'b'.repeat(32)}-${SPAN}-00` } };
  t.equal((await service.call('GET', '/v1/whoami', undefined, unsampled)).status, 200);
  for (const path of ['/jwks', '/livez', '/metrics', '/.well-known/openid-configuration'])
    await call(service.url, 'GET', path, undefined, { 'if-none-match': '"x"' });
  t.equal((await service.call('GET', '/v1/connections')).status, 200);
  await collector.wait(({ name }) => name === '/v1/connections');
  t.notOk(collector.spans.some(({ traceId }) => traceId === 'b'.repeat(32)));
  t.same(
    [...new Set(collector.spans.map(({ name }) => name))].sort(),
    ['/token', '/v1/connections', 'audit batch'],
    'the host’s socket, the list, and the records',
  );
});

t.test('a collector that is away, refuses, garbles or hangs changes no answer', async (t) => {
  const faults: ((response: ServerResponse) => unknown)[] = [
    (response) => response.writeHead(500).end('no'),
    (response) => response.writeHead(200).end('\u0000{"partialSuccess":[[['),
    (response) => response.destroy(),
    (response) => response.writeHead(429, { 'retry-after': '3600' }).end(),
    () => {},
  ];
  let asked = 0;
  const moody = await startCollector(t, (response) => faults[asked++ % faults.length]?.(response));
  const away = { url: `http://127.0.0.1:${await findLastingPort()}` };
  for (const [name, { url }] of Object.entries({ away, moody })) {
    const service = await startTestService(t, { env: { OTEL_EXPORTER_OTLP_ENDPOINT: url } });
    const traced = { headers: { traceparent: SAMPLED } };
    for (const end = Date.now() + 60_000; Date.now() < end && (name === 'away' || asked < faults.length); ) {
      t.equal((await service.call('GET', '/v1/whoami', undefined, traced)).status, 200);
      const { value } = await scrape(service.url);
      if (name === 'away' && value('countersign_spans_total{outcome="lost"}') > 0) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const began = performance.now();
    await service.close();
    t.ok(performance.now() - began < 10_000, `${name}: it closes all the same`);
    t.ok(
      service.logged.every(({ level }) => (level as number) < 50),
      `${name}: it is no error of ours`,
    );
    t.equal(service.logged.filter(({ msg }) => msg === 'spans could not be exported').length, 1, `${name}: said once`);
  }
  t.ok(asked >= faults.length, 'each fault was met');
});

t.test('spans wait in a queue that is bounded; what is beyond is lost, and counted', async (t) => {
  const hanging = await startCollector(t, () => {});
  const counted = { exported: 0, lost: 0 };
  const warned: string[] = [];
  const { tracer, close } = startTraceExport({
    ...{ url: `${hanging.url}/v1/traces`, headers: {}, share: 1, version: '1', delayMs: 50 },
    count: { ...UNCOUNTED, spans: (outcome, more) => void (counted[outcome] += more) },
    log: { warn: (_details, message) => void warned.push(message) },
  });
  const all = 20_000;
  for (let started = 0; started < all; started += 1) {
    tracer.start('a span', { kind: 'internal', attributes: { nth: started } }).end();
    if (started % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(counted.lost >= all - 2048 - 4 * 512, `${counted.lost} of ${all} lost`);
  t.equal(counted.exported, 0);
  await close();
  t.ok(warned.length <= 1, 'and it is said at most once a minute');
});

t.test('closing does not wait until a collector that says nothing is given up', async (t) => {
  const hanging = await startCollector(t, () => {});
  const counted = { exported: 0, lost: 0 };
  const { tracer, close } = startTraceExport({
    ...{ url: `${hanging.url}/v1/traces`, headers: {}, share: 1, version: '1', log: { warn: () => {} } },
    count: { ...UNCOUNTED, spans: (outcome, more) => void (counted[outcome] += more) },
  });
  tracer.start('a span', { kind: 'internal' }).end();
  await close();
  t.same(counted, { exported: 0, lost: 0 }, 'it is still waited for');
});
