// W3C Trace Context: what a caller says about its trace, what of it follows a request through the process, and spans.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';

export interface TraceContext {
  /** 32 hexadecimal digits, lower case, not all zero. */
  traceId: string;
  /** 16 of them. */
  spanId: string;
  /** Whether the caller records its part. */
  sampled: boolean;
}

export type SpanAttributes = Record<string, string | number | boolean | undefined>;

export interface Span {
  context: TraceContext;
  /** @param failed whether it is shown as an error */
  end(attributes?: SpanAttributes, failed?: boolean): void;
}

/** Where spans go; there is none unless they are exported. */
export interface Tracer {
  /** Below `parent`, else below the request that is being answered, else by itself. */
  start(
    name: string,
    span: {
      kind: 'server' | 'client' | 'internal';
      parent?: TraceContext | undefined;
      /** Others that wait for the same work. */
      links?: readonly TraceContext[];
      attributes?: SpanAttributes;
    },
  ): Span;
}

const VERSION_00 = 55;
const PARTS = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/**
 * `traceparent`, as the recommendation has it (section 3.2): of a version that is not known the first four parts count;
 * whatever is malformed is as if nothing had come. `tracestate` is not read: there is nobody to give it to.
 */
export function parseTraceparent(header: unknown): TraceContext | undefined {
  if (typeof header !== 'string' || header.length < VERSION_00 || header.length > 512) return undefined;
  const [, version, traceId, spanId, flags] = PARTS.exec(header.slice(0, VERSION_00)) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === 'ff' || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  if (header.length > VERSION_00 && (version === '00' || header[VERSION_00] !== '-')) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** In the form of `traceparent`, for the header `traceresponse` too. */
export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** The request's own place in its caller's trace, where nothing is exported. */
export function createChild({ traceId, sampled }: TraceContext): TraceContext {
  return { traceId, spanId: randomBytes(8).toString('hex'), sampled };
}

const current = new AsyncLocalStorage<TraceContext | undefined>();

/** Of the request that is being answered; undefined for those that bring none while nothing is exported. */
export function currentTrace(): TraceContext | undefined {
  return current.getStore();
}

export function runInTrace<T>(context: TraceContext | undefined, run: () => T): T {
  return current.run(context, run);
}
