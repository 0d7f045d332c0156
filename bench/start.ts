// start_to_ready_ms, idle_rss_mb: the service on PostgreSQL beside a bare Fastify that imports the same libraries.
import { setTimeout as delay } from 'node:timers/promises';
import { startServer } from './processes.ts';
import { median, type Result } from './report.ts';
import { createHome, startService } from './service.ts';
import type { Surroundings } from './surroundings.ts';

export interface StartResults {
  ready: Result;
  idle: Result;
}

export async function measureStart({ postgres, quick, say }: Surroundings): Promise<StartResults> {
  const [rounds, idleMs] = quick ? [1, 200] : [7, 3000];
  const { url } = await postgres.createDatabase();
  const home = await createHome();
  // The first start makes the keys and the policy; what is measured is every later one.
  await (await startService(home, url)).stop();
  const starts = { service: () => startService(home, url), bare: () => startServer('bare-fastify') };
  const measured = {
    service: { ms: [] as number[], mb: [] as number[] },
    bare: { ms: [] as number[], mb: [] as number[] },
  };
  try {
    for (let round = 1; round <= rounds; round += 1) {
      for (const side of round % 2 === 1 ? (['service', 'bare'] as const) : (['bare', 'service'] as const)) {
        const begun = performance.now();
        const started = await starts[side]();
        measured[side].ms.push(performance.now() - begun);
        await delay(idleMs);
        measured[side].mb.push(started.residentMegabytes() ?? Number.NaN);
        await started.stop();
      }
      say(
        `round ${round} of ${rounds}: ${measured.service.ms.at(-1)?.toFixed(0)} ms against ${measured.bare.ms.at(-1)?.toFixed(0)} ms`,
      );
    }
  } finally {
    home.remove();
  }
  const { service, bare } = measured;
  const compare = (unit: 'ms' | 'mb'): Pick<Result, 'ratio' | 'runs' | 'figures'> => {
    const runs = service[unit].map((value, round) => value / (bare[unit][round] as number));
    const show = (values: number[]): string => `${median(values).toFixed(0)} ${unit === 'ms' ? 'ms' : 'MB'}`;
    return { ratio: median(runs), runs, figures: { service: show(service[unit]), bare: show(bare[unit]) } };
  };
  const beside = 'against a bare Fastify that imports the same libraries and listens';
  return {
    ready: {
      name: 'start_to_ready_ms',
      ...compare('ms'),
      target: { atMost: 2 },
      baseline: `from start to ready on PostgreSQL, ${beside}`,
    },
    idle: {
      name: 'idle_rss_mb',
      ...compare('mb'),
      target: { atMost: 1.5 },
      baseline: `resident memory when idle, ${beside}`,
    },
  };
}
