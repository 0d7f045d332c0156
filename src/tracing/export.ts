// The one door to OpenTelemetry, loaded where an endpoint is configured: spans in a bounded queue, sent by themselves.
import { type Attributes, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type ReadableSpan,
  type SpanExporter,
  type SpanProcessor,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Count } from '../metrics/count.ts';
import { currentTrace, type TraceContext, type Tracer } from '../trace.ts';

export interface ExportOptions {
  /** Of the collector, with its path. */
  url: string;
  headers: Record<string, string>;
  /** Of the traces that begin here, 0 to 1. */
  share: number;
  version: string;
  count: Pick<Count, 'spans'>;
  log: { warn(details: object, message: string): void };
  /** Between two sendings, milliseconds; 1000 unless given. */
  delayMs?: number;
}

export interface TraceExport {
  tracer: Tracer;
  /** Sends what waits, for at most two seconds. */
  close(): Promise<void>;
}

/** Spans that wait at most; what comes when it is full is lost, and counted. */
const LONGEST_QUEUE = 2048;
const BATCH = 512;
const TIMEOUT_MS = 5000;
const CLOSE_MS = 2000;

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL };

function toSpanContext({ traceId, spanId, sampled }: TraceContext) {
  return { traceId, spanId, traceFlags: sampled ? 1 : 0, isRemote: true };
}

/** Counts what the collector took and what was lost, and says the latter in the log once a minute at most. */
function watchExporter(
  inner: SpanExporter,
  { count, log }: ExportOptions,
  left: (spans: number) => void,
): SpanExporter {
  let silent = false;
  return {
    export: (spans: ReadableSpan[], done) => {
      left(spans.length);
      inner.export(spans, (result) => {
        const failed = result.error !== undefined || result.code !== 0;
        count.spans(failed ? 'lost' : 'exported', spans.length);
        if (failed && !silent) {
          silent = true;
          setTimeout(() => {
            silent = false;
          }, 60_000).unref();
          // The collector's own words are a stranger's: its code or status is enough.
          const { code = 'no answer in time' } = (result.error ?? {}) as { code?: string | number };
          log.warn({ reason: code, spans: spans.length }, 'spans could not be exported');
        }
        done(result);
      });
    },
    shutdown: () => inner.shutdown(),
  };
}

/** Nothing is registered with anybody and nothing is wrapped: spans are those that the service starts. */
export function startTraceExport(options: ExportOptions): TraceExport {
  const { url, headers, share, version, count, delayMs = 1000 } = options;
  let waiting = 0;
  const exporter = watchExporter(
    new OTLPTraceExporter({ url, headers, timeoutMillis: TIMEOUT_MS, concurrencyLimit: 4 }),
    options,
    (spans) => {
      waiting -= spans;
    },
  );
  const batches = new BatchSpanProcessor({
    ...{ exporter, maxQueueSize: LONGEST_QUEUE, maxExportBatchSize: BATCH },
    ...{ scheduledDelayMillis: delayMs, exportTimeoutMillis: TIMEOUT_MS + 1000 },
  });
  const bounded: SpanProcessor = {
    onStart: () => {},
    onEnd: (span) => {
      if (waiting >= LONGEST_QUEUE) return count.spans('lost', 1);
      waiting += 1;
      batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => batches.shutdown(),
  };
  const provider = new TracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    resource: resourceFromAttributes({ 'service.name': 'countersign', 'service.version': version }),
    spanLimits: { attributeValueLengthLimit: 256, linkCountLimit: 32 },
    spanProcessors: [bounded],
  });
  const tracer = provider.getTracer('countersign', version);
  return {
    tracer: {
      start: (name, { kind, parent = currentTrace(), links = [], attributes = {} }) => {
        const below = parent ? trace.setSpanContext(ROOT_CONTEXT, toSpanContext(parent)) : ROOT_CONTEXT;
        const linked = links.map((context) => ({ context: toSpanContext(context) }));
        const span = tracer.startSpan(
          name,
          { kind: KINDS[kind], attributes: attributes as Attributes, links: linked },
          below,
        );
        const { traceId, spanId, traceFlags } = span.spanContext();
        return {
          context: { traceId, spanId, sampled: (traceFlags & 1) === 1 },
          end: (more = {}, failed = false) => {
            span.setAttributes(more as Attributes);
            if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
            span.end();
          },
        };
      },
    },
    close: async () => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_MS);
      });
      await Promise.race([provider.shutdown().catch(() => {}), late]).finally(() => clearTimeout(timer));
    },
  };
}
