// Whether spans are exported: only then is anything of OpenTelemetry loaded.
import packageJson from '../../package.json' with { type: 'json' };
import type { Config } from '../config.ts';
import type { ExportOptions, TraceExport } from './export.ts';

export async function startTraces(
  { traces }: Pick<Config, 'traces'>,
  deps: Pick<ExportOptions, 'count' | 'log'>,
): Promise<TraceExport | undefined> {
  if (!traces) return undefined;
  const { startTraceExport } = await import('./export.ts');
  return startTraceExport({ ...traces, version: packageJson.version, ...deps });
}
