// jwks_vs_constant_route: what rendering from memory, the Host check and caching headers cost beside constant bytes.
import { buildRequest, openLine, sendAll } from './load.ts';
import { type Started, startServer } from './processes.ts';
import { median, type Result } from './report.ts';
import { createHome, startService } from './service.ts';
import type { Surroundings } from './surroundings.ts';

const DOCUMENTS = { jwks: '/jwks', discovery: '/.well-known/openid-configuration' };

interface Compared {
  name: string;
  sides: { url: string; started: Started; rates: number[]; loads: number[] }[];
  runs: number[];
}

async function startCompared(name: string, service: Started, path: string): Promise<Compared> {
  const line = await openLine(service.url);
  const { body } = await line.ask(buildRequest(service.url + path, 'GET'));
  line.close();
  const constant = await startServer('constant-route', {
    BODY: body,
    HEADERS: JSON.stringify({ 'content-type': 'application/json' }),
  });
  const side = (url: string, started: Started) => ({ url, started, rates: [], loads: [] });
  return { name, sides: [side(service.url + path, service), side(`${constant.url}/document`, constant)], runs: [] };
}

async function measureSide(
  { url, started, rates, loads }: Compared['sides'][number],
  requests: number,
  connections: number,
): Promise<void> {
  const request = buildRequest(url, 'GET', { accept: 'application/json' });
  const before = started.cpuSeconds();
  const seconds = await sendAll(url, new Array<Buffer>(requests).fill(request), connections);
  const after = started.cpuSeconds();
  rates.push(requests / seconds);
  if (before !== undefined && after !== undefined) loads.push((after - before) / seconds);
}

function describe({ rates, loads }: Compared['sides'][number]): string {
  return `${median(rates).toFixed(0)}/s${loads.length > 0 ? `, ${median(loads).toFixed(2)} cores` : ''}`;
}

export async function measureDocuments({ postgres, quick, say }: Surroundings): Promise<Result> {
  const [rounds, requests, connections] = quick ? [1, 1000, 8] : [9, 30_000, 32];
  const { url } = await postgres.createDatabase();
  const home = await createHome();
  const service = await startService(home, url);
  const compared: Compared[] = [];
  try {
    for (const [name, path] of Object.entries(DOCUMENTS)) compared.push(await startCompared(name, service, path));
    for (let round = 0; round <= rounds; round += 1) {
      for (const { name, sides, runs } of compared) {
        for (const side of round % 2 === 1 ? sides : sides.toReversed()) await measureSide(side, requests, connections);
        const [ours, constant] = sides.map(({ rates }) => rates.at(-1)) as [number, number];
        // Round 0 is the warm-up.
        if (round === 0) for (const side of sides) side.rates.length = side.loads.length = 0;
        else {
          runs.push(ours / constant);
          say(`round ${round} of ${rounds}, ${name}: ${(ours / constant).toFixed(2)}`);
        }
      }
    }
    const worse = compared.reduce((a, b) => (median(a.runs) <= median(b.runs) ? a : b));
    const figures = compared.map(({ name, sides, runs }) => [
      name,
      `${median(runs).toFixed(2)}: ${describe(sides[0] as Compared['sides'][number])} against ${describe(sides[1] as Compared['sides'][number])}`,
    ]);
    return {
      ...{ name: 'jwks_vs_constant_route', ratio: median(worse.runs), runs: worse.runs, target: { atLeast: 0.9 } },
      baseline: `requests/s of the platform's JWKS and of its discovery, against a Fastify route that answers the same constant bytes; the ratio is the lower of the two (${worse.name})`,
      figures: {
        ...Object.fromEntries(figures),
        load: `${connections} connections, ${requests} requests a round, one warm-up round`,
      },
    };
  } finally {
    await Promise.all(
      [service, ...compared.map(({ sides }) => (sides[1] as Compared['sides'][number]).started)].map((one) =>
        one.stop(),
      ),
    );
    home.remove();
  }
}
