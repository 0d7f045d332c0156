// A workload's own key leaked, or session credentials that were handed out.
import type { Api } from '../api.ts';
import { segment } from '../api.ts';
import { Failure, usage } from '../failure.ts';
import type { Page } from '../pages.ts';
import { cell } from '../text.ts';
import type { Row } from './facts.ts';
import { type Done, FLUSH, type Plan, type Step } from './plan.ts';

interface Workload {
  id: string;
  slug: string;
  state: string;
  updated_at?: string;
  keys: { kid: string }[];
}

export const readWorkload = async (api: Api, workload: string): Promise<Workload> =>
  (await api.get(`/v1/workloads/${segment(workload)}`)) as Workload;

function suspension(workload: Workload, now: () => number): Step {
  return {
    title: `Suspend workload ${workload.slug}`,
    means: [
      'From the commit on, on every replica, it gets no token and no session credentials; what it had started is not handed out.',
      'It does not work until somebody activates it again: `countersign workload resume`.',
    ],
    run: async (api): Promise<Done> => {
      const { state } = await readWorkload(api, workload.id);
      const at = new Date(now()).toISOString();
      if (state === 'suspended') return { at, what: `${workload.slug} was suspended before.` };
      await api.send('PATCH', `/v1/workloads/${workload.id}`, { state: 'suspended' });
      return { at: new Date(now()).toISOString(), what: `${workload.slug} is suspended.` };
    },
  };
}

function replacement(workload: Workload, kid: string, key: object | undefined, now: () => number): Step {
  return {
    title: `Remove key ${kid} of workload ${workload.slug}${key ? ', with the new one in its place' : ''}`,
    means: [
      'From the commit on nothing that the old key signs gets a token.',
      'Tokens that it got before stay good for 15 minutes at most; what was minted is below.',
      key ? 'The workload goes on once it has the new private key.' : 'The workload goes on with its other keys.',
    ],
    run: async (api): Promise<Done> => {
      const path = `/v1/workloads/${workload.id}/keys`;
      const { keys } = await readWorkload(api, workload.id);
      const at = (): string => new Date(now()).toISOString();
      if (key)
        await api.send('POST', path, { jwk: key }).catch((error: unknown) => {
          if (!(error instanceof Failure) || error.code !== 'key_exists') throw error;
        });
      if (!keys.some((each) => each.kid === kid)) return { at: at(), what: `Key ${kid} was removed before.` };
      await api.send('DELETE', `${path}/${segment(kid)}`);
      return { at: at(), what: `Key ${kid} is removed.`, kids: [kid] };
    },
  };
}

/** @param key a public JWK to put in its place; without one, and without `remove`, the workload is suspended */
export async function planWorkloadKey(
  api: Api,
  workloadName: string,
  { kid, key, remove }: { kid?: string | undefined; key?: object | undefined; remove?: true | undefined },
  now: () => number,
): Promise<Plan> {
  const workload = await readWorkload(api, workloadName);
  const known = workload.keys.map((each) => each.kid).join(', ');
  if ((key || remove) && kid === undefined) throw usage('Say which key leaked: --kid.', `Registered: ${known}.`);
  const steps =
    kid !== undefined && (key || remove) ? [replacement(workload, kid, key, now)] : [suspension(workload, now)];
  return {
    leaked: [
      `${kid === undefined ? 'A key' : `Key ${kid}`} of workload ${workload.slug} (${workload.id}) may be known to somebody.`,
      'Whoever has it and reaches the internal listener can do what its grants and scopes allow; what it got is below. Session credentials live on after the key is gone.',
    ],
    steps,
    besides: [
      'Tokens that are out live for 15 minutes at most. Here they open nothing after a suspension; services of yours that verify them accept them until then.',
      'Send the notice to the owner of each account in which sessions may live.',
      FLUSH,
    ],
    question: {
      filter: { workload: workload.id },
      // Where an assertion named no key, nobody knows which it was.
      token: ({ client_kid: by }) => kid === undefined || by === undefined || by === kid,
    },
    notices: 'used',
  };
}

/** The exchange that session credentials came from. */
export interface FoundSession {
  outcome: Row;
  intent: Row | undefined;
}

/** Reads outcomes back to `since` until one has this access key id. @throws Failure `session_not_found` */
export async function findSession(
  api: Api,
  accessKeyId: string,
  { since, connection, progress }: { since: string; connection?: string | undefined; progress(text: string): void },
): Promise<FoundSession> {
  let [cursor, read] = [undefined as string | undefined, 0];
  do {
    const query = { kind: 'exchange.outcome', from: since, connection, limit: 200, cursor };
    const page = (await api.get('/v1/audit', query)) as Page<Row>;
    const outcome = page.items.find(({ details }) => details?.['access_key_id'] === accessKeyId);
    if (outcome) {
      const rows = (await api.get('/v1/audit', { exchange: outcome.exchange, limit: 10 })) as Page<Row>;
      return { outcome, intent: rows.items.find(({ kind }) => kind === 'exchange.intent') };
    }
    read += page.items.length;
    cursor = page.next_cursor;
    if (cursor !== undefined && read % 10_000 < 200)
      progress(`read ${read} outcomes, back to ${page.items.at(-1)?.at}`);
  } while (cursor !== undefined);
  throw new Failure('session_not_found', `No exchange since ${since} has the access key id ${accessKeyId}.`, {
    hint: 'Give --since a time before it was handed out. If it is of a role of ours all the same, somebody assumed it without us: countersign incident connection-key.',
  });
}

export async function planSession(
  api: Api,
  accessKeyId: string,
  { outcome, intent }: FoundSession,
  { suspend }: { suspend?: true | undefined },
  now: () => number,
): Promise<Plan> {
  const { details = {} } = outcome;
  const workload = await readWorkload(api, outcome.workload ?? '');
  const until = cell(details['expires_at']);
  const lives = Date.parse(until) > now() ? `lives until ${until}` : `ended at ${until}`;
  return {
    leaked: [
      `Session credentials ${accessKeyId} may be known to somebody. Workload ${workload.slug} got them at ${outcome.at} for connection ${outcome.connection} (exchange ${outcome.exchange}, purpose ${cell(intent?.details?.['purpose'])}); the session ${lives}.`,
      `Whoever has them is ${cell(details['assumed_role_id'])} in the account, within the grant's policy. AWS cannot end a session from here.`,
    ],
    steps: suspend ? [suspension(workload, now)] : [],
    besides: [
      'Send the notice to the owner of the account: the policy denies the sessions of this workload from before the incident, and no other.',
      FLUSH,
      'Find out how they got out: the workload can get new ones at any time, so what reads its memory or environment reads those too (--suspend stops it).',
    ],
    question: {
      filter: { connection: outcome.connection as string },
      token: () => false,
      exchange: (_details, row) => row.exchange === outcome.exchange,
    },
    notices: { connection: outcome.connection as string },
    ...(typeof details['assumed_role_id'] === 'string' ? { userId: details['assumed_role_id'] } : {}),
  };
}
