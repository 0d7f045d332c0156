// Clients that use every replica at once, and a ledger of what each was given: what the database must know of.
import { randomUUID } from 'node:crypto';
import { keepShown } from '../support/known-secrets.ts';
import { keepRefusal } from '../support/leaks.ts';
import { assertion, type TestClient, tokenForm } from '../support/service.ts';
import type { Random } from './random.ts';
import type { Replica } from './replica.ts';
import type { SoakWorld } from './world.ts';

export interface Ledger {
  /** jti of every token that a client received. */
  tokens: string[];
  /** Every hand-out that a client received. */
  sessions: { accessKeyId: string; requestId: string }[];
  /** Request ids of every change that was answered with 2xx. */
  acts: string[];
  /** What no fault excuses. */
  faults: string[];
  answered: number;
  unavailable: number;
  cut: number;
  /** Answers over the client's own wire while it was garbled. */
  garbled?: number;
  /** Refusals by a STS that was disturbed. */
  excused?: number;
  suspensions: number;
  /** Requests of the victim's that were refused while it was suspended. */
  refusedSuspended: number;
}

/** What is broken: a wire, or PostgreSQL itself; `garbled` is the client's own, where no side can trust what it reads. */
export type Disturbed = 'client' | 'garbled' | 'database' | 'sts' | 'issuer';

const isOwnWire = (disturbed: Disturbed | undefined): boolean => disturbed === 'client' || disturbed === 'garbled';

export interface Load {
  ledger: Ledger;
  /** While something is broken on purpose nobody must be served; from its end the time to recover counts. */
  disturbed: Disturbed | undefined;
  stop(): Promise<void>;
}

/** A living replica that answers 503 for longer does not recover by itself: three times the promise, for slow machines. */
export const RECOVERY_MS = 15_000;
const PATIENCE_MS = 15_000;
/** The sandbox keeps for so long what it fetched, and so do retries. */
const LINGER_MS = 8_000;

interface Reply {
  status: number;
  body: any;
  requestId: string;
}

async function ask(url: string, method: string, headers: Record<string, string>, body?: string): Promise<Reply> {
  keepShown('that was sent', `${headers['authorization'] ?? ''} ${body ?? ''}`);
  const response = await fetch(url, {
    ...{ method, headers, signal: AbortSignal.timeout(PATIENCE_MS) },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  if (response.status >= 400) keepRefusal(url, text);
  else keepShown('that was answered', text);
  return {
    status: response.status,
    body: /json/.test(response.headers.get('content-type') ?? '') && text ? JSON.parse(text) : text,
    requestId: response.headers.get('x-request-id') ?? '',
  };
}

const isOfSts = (disturbed: Load['disturbed']): boolean => disturbed === 'sts' || disturbed === 'issuer';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

export function startLoad(world: SoakWorld, random: Random, options: { workers: number; pauseMs: number }): Load {
  const { replicas, issuerUrl, connection, steady, victim } = world;
  const ledger: Ledger = {
    ...{ tokens: [], sessions: [], acts: [], faults: [] },
    ...{ answered: 0, unavailable: 0, cut: 0, garbled: 0, excused: 0, suspensions: 0, refusedSuspended: 0 },
  };
  let disturbed: Load['disturbed'];
  let stsDisturbedAt = -Infinity;
  const load: Load = {
    ledger,
    get disturbed() {
      return disturbed;
    },
    // What was asked meanwhile is answered a little later.
    set disturbed(what) {
      if (isOfSts(disturbed)) stsDisturbedAt = performance.now();
      disturbed = what;
    },
    stop: async () => {},
  };
  const credentials = `${issuerUrl}/v1/credentials`;
  const path = `/v1/connections/${connection.id}/credentials`;
  const held = new Map<string, { token: string; at: number }>();
  const failingSince = new Map<Replica, number>();
  /** Of the victim, as its last answered change left it; undefined while one is under way. */
  let suspended: boolean | undefined = false;
  let stopped = false;
  let made: string[] = [];

  /** Whether STS, or its way to the issuer, was what said no. */
  function isExcused({ body }: Reply): boolean {
    if (isOfSts(disturbed)) stsDisturbedAt = performance.now();
    return String(body?.code).startsWith('sts_') && performance.now() - stsDisturbedAt < LINGER_MS;
  }

  /** One request to one replica. @returns undefined where the replica was killed under it, or said 503. */
  async function at(
    replica: Replica,
    method: string,
    target: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<Reply | undefined> {
    const { generation } = replica;
    const wasDisturbed = load.disturbed;
    let reply: Reply;
    try {
      reply = await ask(replica.url + target, method, headers, body);
    } catch (error) {
      const alive = replica.ready && replica.generation === generation;
      // Whoever is there answers, whatever is behind it.
      if (alive && !isOwnWire(wasDisturbed) && !isOwnWire(load.disturbed))
        ledger.faults.push(
          `${method} ${target}: a living replica did not answer: ${String((error as Error).cause ?? error)}`,
        );
      ledger.cut += 1;
      return undefined;
    }
    // Whatever it says, it may be another's words: what is on record counts, and that the service goes on.
    if (wasDisturbed === 'garbled' || load.disturbed === 'garbled') {
      ledger.garbled = (ledger.garbled ?? 0) + 1;
      return undefined;
    }
    ledger.answered += 1;
    if (reply.status >= 500 && reply.status !== 503 && !isExcused(reply)) {
      const told = replica
        .output()
        .split('\n')
        .find((line) => line.includes(reply.requestId) && line.includes('"err"'));
      ledger.faults.push(`${method} ${target} -> ${reply.status} ${told ?? JSON.stringify(reply.body).slice(0, 300)}`);
      return undefined;
    }
    if (reply.status === 503 && isExcused(reply)) {
      ledger.excused = (ledger.excused ?? 0) + 1;
      return undefined;
    }
    if (reply.status === 503) {
      ledger.unavailable += 1;
      const since = Math.max(failingSince.get(replica) ?? performance.now(), replica.readyAt);
      failingSince.set(replica, load.disturbed || wasDisturbed ? performance.now() : since);
      if (
        performance.now() - since > RECOVERY_MS &&
        !load.disturbed &&
        !wasDisturbed &&
        replica.generation === generation
      )
        ledger.faults.push(
          `${method} ${target}: unavailable for ${Math.round(performance.now() - since)} ms: ${JSON.stringify(reply.body).slice(0, 300)}`,
        );
      return undefined;
    }
    if (reply.status < 300) failingSince.delete(replica);
    return reply;
  }

  const unexpected = (what: string, { status, body }: Reply): void =>
    void ledger.faults.push(`${what} -> ${status} ${JSON.stringify(body).slice(0, 300)}`);

  async function token(replica: Replica, client: TestClient): Promise<void> {
    const form = new URLSearchParams(tokenForm(await assertion(issuerUrl, client), credentials)).toString();
    const before = suspended;
    const { suspensions } = ledger;
    const reply = await at(replica, 'POST', '/oauth2/token', FORM, form);
    if (!reply) return;
    const wasSuspended =
      client === victim && before === true && suspended === true && suspensions === ledger.suspensions;
    if (reply.status === 200) {
      const { access_token: minted } = reply.body;
      ledger.tokens.push(JSON.parse(Buffer.from(minted.split('.')[1], 'base64url').toString()).jti);
      held.set(client.id, { token: minted, at: performance.now() });
      if (wasSuspended) unexpected('a token of a suspended workload', reply);
    } else if (client !== victim) unexpected('a token', reply);
    else if (wasSuspended) ledger.refusedSuspended += 1;
  }

  async function exchange(replica: Replica, client: TestClient): Promise<void> {
    const mine = held.get(client.id);
    if (!mine || performance.now() - mine.at > 300_000) return await token(replica, client);
    const before = suspended;
    const { suspensions } = ledger;
    // One that is kept, or one that nobody has asked for: STS is asked, too.
    const query = random.whole(2) === 0 ? '' : `?duration_seconds=${900 + random.whole(2700)}`;
    const reply = await at(replica, 'GET', path + query, { authorization: `Bearer ${mine.token}` });
    if (!reply) return;
    const wasSuspended =
      client === victim && before === true && suspended === true && suspensions === ledger.suspensions;
    if (reply.status === 200) {
      ledger.sessions.push({ accessKeyId: reply.body.AccessKeyId, requestId: reply.requestId });
      if (wasSuspended) unexpected('credentials of a suspended workload', reply);
    } else if (isExcused(reply)) ledger.excused = (ledger.excused ?? 0) + 1;
    else if (client !== victim) unexpected('an exchange', reply);
    else if (wasSuspended) ledger.refusedSuspended += 1;
  }

  /** As the host. A 2xx is an act that must be on record under its request id. */
  async function change(
    replica: Replica,
    method: string,
    target: string,
    body: object,
    key?: string,
  ): Promise<Reply | undefined> {
    const headers = {
      ...{ authorization: `Bearer ${await world.hostToken()}`, 'content-type': 'application/json' },
      ...(key ? { 'idempotency-key': key } : {}),
    };
    const reply = await at(replica, method, target, headers, JSON.stringify(body));
    if (reply && reply.status < 300 && !key) ledger.acts.push(reply.requestId);
    if (reply && reply.status >= 400 && reply.status !== 409) unexpected(`${method} ${target}`, reply);
    return reply;
  }

  const ready = (): Replica | undefined => {
    const all = replicas.filter((replica) => replica.ready);
    return all.length > 0 ? random.pick(all) : undefined;
  };

  /** Asked again under the same key wherever somebody lives, until there is an answer. */
  async function create(): Promise<void> {
    const slug = `w${randomUUID().slice(0, 12)}`;
    for (let attempt = 0; attempt < 20 && !stopped; attempt += 1) {
      const replica = ready();
      const reply = replica && (await change(replica, 'POST', '/v1/workloads', { slug }, `key-${slug}`));
      if (reply) {
        if (reply.status === 201) made = [...made.slice(-30), reply.body.id];
        else unexpected('a workload made once', reply);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async function act(replica: Replica): Promise<void> {
    const kind = random.whole(10);
    if (kind < 4 || made.length === 0) return await create();
    if (kind < 7)
      return void (await change(replica, 'PATCH', `/v1/workloads/${random.pick(made)}`, { description: randomUUID() }));
    if (kind < 9)
      return void (await change(replica, 'POST', '/v1/grants', {
        workload: random.pick(made),
        selector: { tenant: `t${random.whole(1000)}` },
      }));
    await change(replica, 'POST', `/v1/keys/${connection.issuer}/rotate`, { now: true });
  }

  async function worker(): Promise<void> {
    while (!stopped) {
      const replica = ready();
      const kind = random.whole(10);
      if (!replica) await new Promise((resolve) => setTimeout(resolve, 20));
      else if (kind < 3) await token(replica, steady);
      else if (kind < 5) await exchange(replica, steady);
      else if (kind < 7) await token(replica, victim);
      else if (kind < 8) await exchange(replica, victim);
      else await act(replica);
      if (options.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, random.whole(options.pauseMs)));
    }
  }

  /** Suspends the victim, lets the others try, resumes it. */
  async function suspender(): Promise<void> {
    while (!stopped) {
      await new Promise((resolve) => setTimeout(resolve, 100 + random.whole(300)));
      const replica = ready();
      if (!replica) continue;
      const to = suspended !== true;
      suspended = undefined;
      const reply = await change(replica, 'PATCH', `/v1/workloads/${victim.id}`, {
        state: to ? 'suspended' : 'active',
      });
      if (reply?.status !== 200) continue;
      suspended = to;
      if (to) ledger.suspensions += 1;
    }
  }

  const running = [...Array.from({ length: options.workers }, worker), suspender()].map((each) =>
    each.catch((error: unknown) => void ledger.faults.push(`the load: ${(error as Error).stack}`)),
  );
  load.stop = async () => {
    stopped = true;
    await Promise.all(running);
  };
  return load;
}
