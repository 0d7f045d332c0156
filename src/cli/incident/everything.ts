// What opens every private half leaked: the key-encryption key; or a dump of the database, with it or without.
import type { Api } from '../api.ts';
import { usage } from '../failure.ts';
import type { Ring } from '../key-timeline.ts';
import type { Page } from '../pages.ts';
import { type Done, FLUSH, type Incident, type Plan, type Step } from './plan.ts';
import { readPolicy, revocationStep } from './revocations.ts';

interface Kek {
  rotation?: { to: string; finished_at?: string; remaining: number; trouble?: string };
  keks: { id: string; wraps: boolean }[];
}

const POLL_MS = 1000;
const EVERY = 50;

/** Wraps what is left under another KEK, so that fresh keys are not made under the one that leaked. */
function rewrapStep(id: string, { sleep, now }: { sleep(ms: number): Promise<void>; now(): number }): Step {
  return {
    title: `Wrap private halves by the key-encryption key ${id}`,
    means: [
      'Fresh keys are then not under the one that leaked. Callers notice nothing.',
      'The new one must be in the configuration of every replica before: the service refuses this until each opens it.',
    ],
    run: async (api, progress): Promise<Done> => {
      let state = (await api.send('POST', '/v1/kek/rotate', { to: id })) as Kek;
      while (state.rotation && state.rotation.finished_at === undefined) {
        progress(
          `${state.rotation.remaining} private halves to go${state.rotation.trouble ? `; ${state.rotation.trouble}` : ''}`,
        );
        await sleep(POLL_MS);
        state = (await api.get('/v1/kek')) as Kek;
      }
      const wraps = state.keks.find((kek) => kek.wraps)?.id;
      return { at: new Date(now()).toISOString(), what: `Private halves are wrapped by ${wraps}.`, answer: state };
    },
  };
}

/** Ring by ring, each in a transaction of its own; one that was done before is passed over. */
function revokeEveryRing(incident: Incident, policy: Awaited<ReturnType<typeof readPolicy>>): Step {
  return {
    title: `Revoke every key of every ring that was published before ${incident.before}; fresh keys sign`,
    means: [
      'The platform first, then each connection, one after the other. If it is interrupted, the same command does what is left.',
      'From each commit on nothing that those keys signed verifies here. Workload tokens that are out die: each workload gets another.',
      `A verifier that holds an older JWKS may accept forgeries for A + D + e = ${policy.seasoning_seconds} s more.`,
    ],
    run: async (api, progress): Promise<Done> => {
      const total: Done = { at: incident.before, what: '', kids: [] };
      let [rings, cursor] = [0, undefined as string | undefined];
      const one = async (ring: Ring): Promise<void> => {
        const done = await revocationStep([ring], { allBurnt: true }, incident, policy).run(api, progress);
        total.kids?.push(...(done.kids ?? []));
        if (done.at > total.at) total.at = done.at;
        for (const name of ['forgeries_until', 'outage_until'] as const)
          if ((done[name] ?? '') > (total[name] ?? '')) total[name] = done[name];
        rings += 1;
        if (rings % EVERY === 0) progress(`${rings} rings done, ${total.kids?.length} keys revoked`);
      };
      const platform = (await api.get('/v1/keys/platform')) as { items: Ring[] };
      for (const ring of platform.items) await one(ring);
      do {
        const page = (await api.get('/v1/keys', { limit: 50, cursor })) as Page<Ring>;
        for (const ring of page.items) if (ring.issuer !== 'platform') await one(ring);
        cursor = page.next_cursor;
      } while (cursor !== undefined);
      return { ...total, what: `${rings} rings: ${total.kids?.length} keys revoked in this run.` };
    },
  };
}

export interface KekOptions {
  /** The key-encryption key that is to wrap. Never guessed: repeated, a guess would be the one that leaked. */
  to?: string | undefined;
  /** It was rotated already, or is going to be by hand. */
  keepKek?: true | undefined;
}

/** @throws Failure where it is not named, or the service does not know it */
async function readTarget(api: Api, to: string | undefined): Promise<string> {
  const { keks } = (await api.get('/v1/kek')) as Kek;
  if (to !== undefined && keks.some(({ id }) => id === to)) return to;
  const known = keks.map(({ id, wraps }) => `${id}${wraps ? ' (wraps)' : ''}`).join(', ');
  throw usage(
    to === undefined
      ? 'Say which key-encryption key is to wrap from now on: --to.'
      : `${to} is no key-encryption key of this service.`,
    `It has ${known}. Give every replica a new one (KEY_ENCRYPTION_KEYS) first; or --keep-kek, where the one that wraps is not the one that leaked.`,
  );
}

export async function planKek(
  api: Api,
  { to, keepKek }: KekOptions,
  incident: Incident,
  outside: { sleep(ms: number): Promise<void>; now(): number },
): Promise<Plan> {
  const policy = await readPolicy(api);
  const rewrap = keepKek ? undefined : rewrapStep(await readTarget(api, to), outside);
  const until = new Date(outside.now() + policy.seasoning_seconds * 1000).toISOString();
  return {
    leaked: [
      'The key-encryption key may be known to somebody.',
      'With it and the database, or any backup or dump of it from that time on, every private half can be opened, of standbys too: whoever has both can be any workload here, and assume the role of every connection at AWS.',
    ],
    steps: [...(rewrap ? [rewrap] : []), revokeEveryRing(incident, policy)],
    outage: `nobody knows the fresh keys yet: AWS may refuse exchanges, and services of yours workload tokens, until about ${until} (A + D + e = ${policy.seasoning_seconds} s after each key is published); AWS was seen to read keys anew within seconds`,
    besides: [
      'Destroy the old key-encryption key, and every copy of it, once no private half is under it and no backup that you would restore is.',
      'Find the dumps and backups that were within reach of whoever has it: what is in them opens with the old key for ever.',
      'Send each notice to the owner of its account.',
      FLUSH,
    ],
    question: { filter: {}, token: () => true },
    notices: 'every',
    complete: true,
  };
}

export async function planDatabaseDump(
  api: Api,
  options: KekOptions & { withKek?: true | undefined },
  incident: Incident,
  outside: { sleep(ms: number): Promise<void>; now(): number },
): Promise<Plan> {
  const holds = [
    'A dump of the database holds private halves as ciphertext, which open with the key-encryption key alone; public keys, which are public; names, account ids, role ARNs, grants and permissions; public keys of workloads and administrators; the audit log with access key ids, reasons and names of people.',
    'It holds no token, no session credentials, no key of a workload, and no key-encryption key.',
  ];
  if (options.withKek) {
    const plan = await planKek(api, options, incident, outside);
    return {
      ...plan,
      leaked: [...holds, 'The key-encryption key may be with it, so everything in it opens.', ...plan.leaked.slice(1)],
    };
  }
  return {
    leaked: [...holds, 'The key-encryption key is not with it: nothing in it can sign, and nothing has to be revoked.'],
    steps: [],
    besides: [
      'Make sure of the last sentence: where the key-encryption key is kept, who reads it, and that no backup has both. In doubt run this again with --with-kek.',
      'Rotate the key-encryption key (`countersign kek rotate`) and destroy the old one: then the dump never opens, whatever leaks later.',
      'Tell whoever must be told that names, account ids, role ARNs and the audit log were seen.',
    ],
    notices: 'none',
  };
}
