// A scrape of a running service, read as Prometheus would read it.
import { setTimeout as delay } from 'node:timers/promises';
import { call } from '../support/service.ts';
import { PATIENCE_MS } from '../support/until.ts';

export interface Scrape {
  /** Of every sample: its name and labels as written, e.g. `countersign_tokens_total{outcome="minted"}`. */
  samples: Map<string, number>;
  /** By name of the metric. */
  types: Map<string, string>;
  text: string;
  /** @throws where there is no such sample */
  value(series: string): number;
}

export function readScrape(text: string): Scrape {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name && type) types.set(name, type);
    if (line === '' || line.startsWith('#')) continue;
    const [, series, value] = /^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (series === undefined) throw new Error(`not a sample: ${line}`);
    if (samples.has(series)) throw new Error(`twice: ${series}`);
    samples.set(series, value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value));
  }
  return {
    ...{ samples, types, text },
    value: (series) => {
      const found = samples.get(series);
      if (found === undefined) throw new Error(`no sample ${series}`);
      return found;
    },
  };
}

/** Each of its own question, and left out where the database, or whoever is asked, did not answer in time. */
const OF_WHAT_IS_ASKED = [
  'sealed',
  'verifications_pending',
  'rotations_due',
  'rotation_overdue_seconds',
  'self_check_ok',
];

const isWhole = ({ samples }: Scrape): boolean =>
  OF_WHAT_IS_ASKED.every((name) => samples.has(`countersign_${name}`)) &&
  samples.get('countersign_database_up') === 1 &&
  samples.get('countersign_ready{capability="tokens"}') === 1;

/** As `scrape`, when everybody answered in time. */
export async function scrapeWhole(url: string): Promise<Scrape> {
  for (const deadline = Date.now() + PATIENCE_MS; ; await delay(250)) {
    const found = await scrape(url);
    if (isWhole(found)) return found;
    if (Date.now() > deadline) throw new Error(`no whole scrape within a minute:\n${found.text}`);
  }
}

/** @param url of the internal listener */
export async function scrape(url: string): Promise<Scrape> {
  const { status, body } = await call(url, 'GET', '/metrics');
  if (status !== 200) throw new Error(`/metrics answered ${status}`);
  return readScrape(body as string);
}
