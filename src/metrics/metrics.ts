// The service's metrics as Prometheus reads them: one registry a service, and the text of a scrape.
import type { Count } from './count.ts';
import { createCounters } from './counters.ts';
import { createProcessMetrics } from './process.ts';
import { createStateGauges, type StateSources } from './state.ts';
import { Gauge, Registry } from './vendor.ts';

export interface Metrics {
  count: Count;
  /** From now on scrapes show these too. */
  watch(sources: StateSources): void;
  contentType: string;
  /** One rendering at a time, shared by all who ask meanwhile. */
  render(): Promise<string>;
}

/** @param version of the service, as package.json says it */
export function createMetrics({ version }: { version: string }): Metrics {
  const registry = new Registry();
  const count = createCounters(registry);
  createProcessMetrics(registry);
  new Gauge({
    name: 'countersign_build_info',
    help: 'Always 1; the labels say which version runs.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node: process.version }, 1);
  let update: () => Promise<void> = async () => {};
  let rendering: Promise<string> | undefined;
  return {
    count,
    watch: (sources) => {
      update = createStateGauges(registry, sources);
    },
    contentType: registry.contentType,
    render: () =>
      (rendering ??= update()
        .then(() => registry.metrics())
        .finally(() => {
          rendering = undefined;
        })),
  };
}
