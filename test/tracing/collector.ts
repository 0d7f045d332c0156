// A collector of traces on loopback, as OpenTelemetry's protocol has it, and the ways in which one fails.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { demandNoSecrets } from '../support/leaks.ts';

export interface CollectedSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  attributes: Record<string, unknown>;
  links: { traceId: string; spanId: string }[];
}

export interface Collector {
  /** What OTEL_EXPORTER_OTLP_ENDPOINT is set to. */
  url: string;
  spans: CollectedSpan[];
  /** As they came. */
  bodies: string[];
  headers: IncomingMessage['headers'][];
  /** The first span that `wanted` accepts, within some seconds. */
  wait(wanted: (span: CollectedSpan) => boolean): Promise<CollectedSpan>;
}

interface WireSpan extends Omit<CollectedSpan, 'attributes' | 'links'> {
  attributes: WireAttribute[];
  links?: CollectedSpan['links'];
}
interface Wire {
  resourceSpans: { scopeSpans: { spans: WireSpan[] }[] }[];
}
interface WireAttribute {
  key: string;
  value: Record<string, unknown>;
}

function read(text: string): CollectedSpan[] {
  const { resourceSpans } = JSON.parse(text) as Wire;
  const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
  return spans.map(({ name, traceId, spanId, parentSpanId, attributes, links = [] }) => ({
    ...{ name, traceId, spanId, parentSpanId, links },
    attributes: Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]])),
  }));
}

/** @param answer how it answers; as a collector should unless given */
export async function startCollector(
  t: Test,
  answer: (response: ServerResponse) => void = (response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
): Promise<Collector> {
  const collector: Collector = {
    ...{ url: '', spans: [], bodies: [], headers: [] },
    wait: async (wanted) => {
      for (const end = Date.now() + 60_000; Date.now() < end; ) {
        const found = collector.spans.find(wanted);
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`no such span among ${collector.spans.map(({ name }) => name).join(', ')}`);
    },
  };
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      if (request.url === '/v1/traces' && request.method === 'POST') {
        collector.headers.push(request.headers);
        collector.bodies.push(body);
        collector.spans.push(...read(body));
      }
      answer(response);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  collector.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    demandNoSecrets(t, { 'the spans': collector.bodies.join('\n') });
  });
  return collector;
}
