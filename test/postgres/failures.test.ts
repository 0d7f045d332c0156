// The failure table, cell by cell: every fault real, what is still answered, how fast the rest is refused, and back by itself.
import t from 'tap';
import { call } from '../support/service.ts';
import { type Cell, FAULTS, type Fault } from './failures/faults.ts';
import { type House, startHouse } from './failures/house.ts';

/** A promise of the design; what waits is what makes such a request slow, so forty at once are asked. */
const REFUSED_WITHIN_MS = 1000;
/** What is asked may take its deadline and the machine its time; nothing hangs. */
const ANSWERED_WITHIN_MS = 60_000;
const BACK_WITHIN_MS = 60_000;
/** A busy machine is that much slower than the promise, and no more: without a deadline it would be five times and up. */
const BUSY = 3;

type Answered = Awaited<ReturnType<typeof call>> & { ms: number };

async function timed(ask: () => ReturnType<typeof call>): Promise<Answered> {
  const began = performance.now();
  const answer = await Promise.race([
    ask(),
    new Promise<never>((_resolve, reject) => {
      setTimeout(() => reject(new Error('no answer')), ANSWERED_WITHIN_MS).unref();
    }),
  ]);
  return { ...answer, ms: performance.now() - began };
}

const isRefused = ({ status, headers }: Answered): boolean => status === 503 && Number(headers.get('retry-after')) > 0;

function describe({ status, ms, headers, body }: Answered): string {
  return `${status} after ${Math.round(ms)} ms, Retry-After ${headers.get('retry-after')}: ${JSON.stringify(body).slice(0, 200)}`;
}

let made = 0;

/** What each column of the table says now, and the answers that it is read off. */
async function look(
  house: House,
): Promise<Record<'documents' | 'tokens' | 'broker' | 'administration', [Cell, string]>> {
  const { service, connection } = house;
  const issuer = (await timed(() => call(service.url, 'GET', '/jwks'))) as Answered;
  const documents = await Promise.all(
    ['/.well-known/openid-configuration', '/readyz', '/livez'].map((path) =>
      timed(() => call(service.url, 'GET', path)),
    ),
  );
  const tokens = await timed(() => house.askToken());
  const broker = await timed(() => house.credentials());
  const read = await timed(() => house.api('GET', `/v1/connections/${connection}`));
  made += 1;
  const change = await timed(() => house.api('POST', '/v1/workloads', { slug: `w${made}`, keys: [] }));
  const failed = [issuer, ...documents].filter(({ status }) => status !== 200);
  const administration =
    read.status === 200
      ? isRefused(change)
        ? 'read-only'
        : change.status === 201
          ? 'ok'
          : 'odd'
      : isRefused(read) && isRefused(change)
        ? '503'
        : 'odd';
  const cell = (answer: Answered): Cell => (answer.status === 200 ? 'ok' : isRefused(answer) ? '503' : 'odd');
  return {
    documents: [failed.length === 0 ? 'served' : 'odd', failed.map(describe).join('; ')],
    tokens: [cell(tokens), describe(tokens)],
    broker: [cell(broker), describe(broker)],
    administration: [administration, `${describe(read)}; ${describe(change)}`],
  };
}

const cellsOf = (looked: Awaited<ReturnType<typeof look>>) =>
  Object.fromEntries(Object.entries(looked).map(([column, [cell]]) => [column, cell]));

const WELL = { documents: 'served', tokens: 'ok', broker: 'ok', administration: 'ok' };

/** Looks until the table says so, or for as long as it may take. */
async function until(
  house: House,
  expected: object,
  ms: number,
): Promise<{ looked: Awaited<ReturnType<typeof look>>; ms: number }> {
  const began = performance.now();
  for (;;) {
    const looked = await look(house);
    const passed = performance.now() - began;
    if (JSON.stringify(cellsOf(looked)) === JSON.stringify(expected) || passed > ms) return { looked, ms: passed };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function readReasons({ service }: House): Promise<Record<string, string | undefined>> {
  const capabilities = ['documents', 'tokens', 'broker', 'admin'];
  const answers = await Promise.all(
    capabilities.map((capability) => timed(() => call(service.url, 'GET', `/readyz?capability=${capability}`))),
  );
  return Object.fromEntries(
    answers.map(({ status, body }, index) => [capabilities[index], status === 200 ? undefined : String(body.reason)]),
  );
}

/** The reasons that are left when it should be ready. */
async function untilReady(house: House): Promise<string[]> {
  const began = performance.now();
  for (;;) {
    const reasons = Object.values(await readReasons(house)).filter((reason) => reason !== undefined);
    if (reasons.length === 0 || performance.now() - began > BACK_WITHIN_MS) return reasons;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/**
 * A burst is refused as fast as one: nothing queues without end behind a database that is away.
 * @returns `waited`: milliseconds of the slowest, less what an answer that waits for nothing took meanwhile
 */
async function burst(house: House): Promise<{ answers: Answered[]; waited: number }> {
  let over = false;
  const machine = (async () => {
    let slowest = 0;
    while (!over) slowest = Math.max(slowest, (await timed(() => call(house.service.url, 'GET', '/livez'))).ms);
    return slowest;
  })();
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => timed(() => house.askToken(index % 2 ? house.connection : undefined))),
  ).finally(() => (over = true));
  const slowest = Math.max(...answers.map(({ ms }) => ms));
  return { answers, waited: Math.round(slowest - (await machine)) };
}

async function tryFault(t: Parameters<typeof startHouse>[0], house: House, fault: Fault): Promise<void> {
  await fault.begin(house);
  // In its first moments, when everything open to the database still waits for it.
  t.ok((await burst(house)).waited < REFUSED_WITHIN_MS * BUSY, 'nobody who asks for a token waits for it');
  const { looked } = await until(house, fault.expected, 60_000);
  t.same(cellsOf(looked), fault.expected, JSON.stringify(looked, undefined, 1));
  if (fault.expected.tokens === '503') {
    const { answers, waited } = await burst(house);
    t.same(answers.filter((answer) => !isRefused(answer)).map(describe), [], 'every token of a burst is refused');
    t.ok(waited < REFUSED_WITHIN_MS * BUSY, `and soon: the slowest after ${waited} ms`);
  }
  const reasons = await readReasons(house);
  t.equal(reasons['documents'], undefined, 'an orchestrator leaves it where it is');
  for (const capability of ['tokens', 'broker', 'admin'] as const) {
    const expected = fault.reasons[capability];
    if (expected) t.match(reasons[capability], expected, `/readyz?capability=${capability}`);
    else t.equal(reasons[capability], undefined, `/readyz?capability=${capability}`);
  }
  await fault.end(house);
  // First without anybody who asks for anything: a replica that is red gets no callers.
  t.same(await untilReady(house), [], 'it says by itself that it is ready again');
  const back = await until(house, WELL, BACK_WITHIN_MS);
  t.same(cellsOf(back.looked), WELL, `back by itself: ${JSON.stringify(back.looked, undefined, 1)}`);
  t.comment(`back after ${Math.round(back.ms)} ms`);
}

t.test('every fault of the failure table, cell by cell', async (t) => {
  const house = await startHouse(t);
  t.same(cellsOf((await until(house, WELL, BACK_WITHIN_MS)).looked), WELL, 'before anything is wrong');
  for (const fault of FAULTS) await t.test(fault.name, (t) => tryFault(t, house, fault));
});
