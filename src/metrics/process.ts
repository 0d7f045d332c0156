// The process itself: memory, files, processor, and how busy and how late its event loop is.
import { performance } from 'node:perf_hooks';
import { Counter, PROCESS_COLLECTORS, type Registry } from './vendor.ts';

/** A counter whose total somebody else keeps. */
function follow(registry: Registry, name: string, help: string, total: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(total());
    },
  });
}

export function createProcessMetrics(registry: Registry): void {
  for (const collect of PROCESS_COLLECTORS) collect(registry);
  follow(registry, 'process_cpu_seconds_total', 'Processor time of this process, user and system.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  // Two totals, so that any scraper may take the ratio over any time: active / (active + idle).
  follow(
    registry,
    'nodejs_eventloop_active_seconds_total',
    'Time that the event loop worked.',
    () => performance.eventLoopUtilization().active / 1000,
  );
  follow(
    registry,
    'nodejs_eventloop_idle_seconds_total',
    'Time that the event loop waited for something to do.',
    () => performance.eventLoopUtilization().idle / 1000,
  );
}
