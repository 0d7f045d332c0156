// The variables of trace export, by their names in OpenTelemetry's specification, and what they come to.
import { Type } from 'typebox';

export const TRACE_VARIABLES = {
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(
    Type.String({
      pattern: '^https?://[A-Za-z0-9.:\\[\\]-]+(/[A-Za-z0-9._~/-]*)?$',
      maxLength: 255,
      description:
        'the collector that spans are sent to as OTLP over HTTP, without /v1/traces; unless given nothing is traced and no part of OpenTelemetry is loaded',
    }),
  ),
  OTEL_EXPORTER_OTLP_HEADERS: Type.Optional(
    Type.String({
      maxLength: 8192,
      pattern: "^ *[!#$%&'*+.^_`|~0-9A-Za-z-]+ *=[!-+\\--~ ]*(, *[!#$%&'*+.^_`|~0-9A-Za-z-]+ *=[!-+\\--~ ]*)*$",
      description: 'headers for that collector, a secret: name=value, separated by commas, values percent-encoded',
    }),
  ),
  OTEL_TRACES_SAMPLER_ARG: Type.Optional(
    Type.String({
      pattern: '^(0|1|0?\\.[0-9]{1,6}|1\\.0{1,6})$',
      description:
        'the share of the traces that begin here which are sent, 0 to 1; 1 unless given. A caller that sends traceparent decides for its own',
    }),
  ),
};

export interface TraceSettings {
  url: string;
  headers: Record<string, string>;
  share: number;
}

type Values = Partial<Record<keyof typeof TRACE_VARIABLES, string>>;

function readHeaders(text: string, problems: string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=');
    try {
      headers[pair.slice(0, at).trim()] = decodeURIComponent(pair.slice(at + 1).trim());
    } catch {
      problems.push('OTEL_EXPORTER_OTLP_HEADERS: a value is not percent-encoded UTF-8.');
    }
  }
  return headers;
}

/** @returns undefined where nothing is traced */
export function readTraceSettings(
  values: Values,
  isLoopback: (url: URL) => boolean,
  problems: string[],
): TraceSettings | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers } = values;
  if (endpoint === undefined) return undefined;
  const url = URL.parse(endpoint);
  if (!url) {
    problems.push('OTEL_EXPORTER_OTLP_ENDPOINT is not a URL.');
    return undefined;
  }
  if (headers !== undefined && url.protocol === 'http:' && !isLoopback(url))
    problems.push(
      'OTEL_EXPORTER_OTLP_ENDPOINT must be https, or loopback, where OTEL_EXPORTER_OTLP_HEADERS is set: they are secrets.',
    );
  return {
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    headers: headers === undefined ? {} : readHeaders(headers, problems),
    share: Number(values.OTEL_TRACES_SAMPLER_ARG ?? 1),
  };
}
