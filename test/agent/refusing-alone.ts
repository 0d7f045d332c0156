// The rows of docs/refusals.md that are about everybody: how often one asks, and what the service itself cannot do now.
import { setTimeout } from 'node:timers/promises';
import { sql } from 'kysely';
import { registerClient, workloadToken } from '../support/service.ts';
import { answers, made, type Make, type World } from './refusing-world.ts';

const AT_ONCE = 20;

/** Requests until their answer is this status: what is counted a second is used up, while no time passes for rates. */
async function askUntil(status: number, { pace }: World, ask: (nth: number) => Promise<Response>): Promise<void> {
  pace.stop();
  for (let nth = 0; nth < 1000; nth += AT_ONCE) {
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => ask(nth + n)));
    for (const answer of answers) await answer.body?.cancel();
    if (answers.every((answer) => answer.status === status)) return;
  }
  throw new Error(`no end of answers other than ${status}`);
}

const asking = ({ service }: World, query: string, token: string, connection = 'acme'): Promise<Response> =>
  fetch(`${service.url}/v1/connections/${connection}/credentials?${query}`, {
    headers: { authorization: `Bearer ${token}` },
  });

/** What has its turn after all others, one by one: most of it is everybody's. */
export const MAKE_ALONE: Record<string, Make> = {
  'the workload asks too often': async (world) => {
    const { service, pace } = world;
    const busy = await registerClient(service, { slug: 'busy' });
    const token = await workloadToken(service, busy, `${service.config.issuerUrl}/v1/credentials`);
    await askUntil(429, world, () => asking(world, 'purpose=', token));
    return { connection: 'acme', token, over: pace.goOn };
  },
  'too many new sessions of a workload in one connection': async (world) => {
    const { connection } = await answers(403, 'RegionDisabledException')(world);
    await askUntil(429, world, (nth) => asking(world, `duration_seconds=${900 + nth}`, world.token, connection));
    return { connection, over: world.pace.goOn };
  },
  'this address failed too often': async (world) => {
    await askUntil(429, world, () => asking(world, '', 'opaque'));
    const isRefused = async (): Promise<boolean> => (await asking(world, 'purpose=', world.token)).status === 429;
    const over = async (): Promise<void> => {
      await world.pace.goOn();
      for (let n = 0; n < 600 && (await isRefused()); n++) await setTimeout(100);
    };
    return { connection: 'acme', over };
  },
  'the audit record cannot be written': async ({ service: { database } }) => {
    const run = (statement: string) => sql.raw(statement).execute(database.db);
    await run(`create function refuse_audit() returns trigger language plpgsql as
      $$ begin raise exception 'no space left on device' using errcode = 'disk_full'; end $$`);
    await run('create trigger refuse_audit before insert on audit for each statement execute function refuse_audit()');
    return { connection: 'acme', over: () => run('drop function refuse_audit cascade') };
  },
  'the service is sealed': async ({ service }) => {
    await made(service.call('POST', '/v1/service/seal', { reason: 'a test' }));
    return { connection: 'acme' };
  },
};
