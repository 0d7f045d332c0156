// Rotation after rotation of the platform's ring under load, while replicas are killed and every token is verified.
import type { Test } from 'tap';
import { writeKek } from '../support/process.ts';
import { type Answer, askSocket, call } from '../support/service.ts';
import type { Random } from './random.ts';
import { createReplica, type Replica } from './replica.ts';
import { createLoadClient, startTokenLoad } from './token-load.ts';
import { createVerifiers } from './verifiers.ts';
import { startIssuerProxy } from './world.ts';

/** A, D, R and e in seconds: seasoned in 6. T and S stay what they are, and so does the room for ten keys. */
const POLICY = { A: 2, D: 3, R: 3, e: 1, period: 200 };
const CLIENTS = 32;
/** With so many in the set the oldest verify-only key is revoked, or nothing could be rotated for twenty minutes. */
const CROWDED = 8;

export interface RotationCounts {
  tokens: number;
  verified: number;
  again: number;
  fetched: number;
  rotations: number;
  atOnce: number;
  revocations: number;
  kills: number;
  /** Keys of which there were tokens. */
  kids: number;
  unavailable: number;
  cut: number;
  /** What does not hold. */
  refused: string[];
}

interface Key {
  kid: string;
  state: string;
  published_at: string;
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Acts as the host, at whichever replica lives; whatever may be unknown is asked again. */
function createHost(replicas: readonly Replica[]): (method: string, path: string, body?: unknown) => Promise<Answer> {
  let token = '';
  let mintedAt = -Infinity;
  return async (method, path, body) => {
    for (;;) {
      const replica = replicas.find((each) => each.ready);
      try {
        if (replica && performance.now() - mintedAt > 60_000) {
          const { status, body } = await askSocket(replica.socketPath, { as: 'soak', reason: 'soak' });
          if (status === 200) {
            token = body.access_token as string;
            mintedAt = performance.now();
          }
        }
        if (replica) {
          const answer = await call(replica.direct, method, path, body, { authorization: `Bearer ${token}` });
          if (answer.status === 401) mintedAt = -Infinity;
          else if (answer.status !== 503) return answer;
        }
      } catch {
        // Killed under way.
      }
      await delay(50);
    }
  };
}

/** Until `done`; @returns what was counted, and what did not hold. */
export async function rotateUnderLoad(
  t: Test,
  options: { databaseUrl: string; random: Random; done: (counts: RotationCounts) => boolean },
): Promise<RotationCounts> {
  const { databaseUrl, random, done } = options;
  const replicas: Replica[] = [];
  const issuerUrl = await startIssuerProxy(t, replicas);
  const env = {
    ...{ ISSUER_URL: issuerUrl, KEY_ENCRYPTION_KEY_FILE: writeKek(t), DATABASE_URL: databaseUrl, LOG_LEVEL: 'info' },
    RATE_LIMIT_PER_CLIENT: '100000',
    KEY_POLICY_VERIFIER_CACHE_SECONDS: String(POLICY.A),
    KEY_POLICY_OLDEST_SERVED_SECONDS: String(POLICY.D),
    KEY_POLICY_OLDEST_SIGNED_SECONDS: String(POLICY.R),
    KEY_POLICY_CLOCK_ERROR_SECONDS: String(POLICY.e),
    KEY_POLICY_PERIOD_SECONDS: String(POLICY.period),
  };
  for (let index = 0; index < 3; index += 1) replicas.push(await createReplica(t, env));
  for (const replica of replicas) replica.start();
  await Promise.all(replicas.map((replica) => replica.untilReady(60_000)));
  const ask = createHost(replicas);
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, async (_, index) => {
      const client = createLoadClient();
      const { body } = await ask('POST', '/v1/workloads', { slug: `load-${index}`, keys: [client.jwk] });
      return { ...client, id: body.id as string };
    }),
  );
  const revoked = new Map<string, number>();
  const verifiers = createVerifiers({ issuerUrl, verifierCache: POLICY.A * 1000, random, revoked });
  const { show, refused } = verifiers;
  const load = startTokenLoad({ issuerUrl, replicas, clients, connections: 48, random, show });
  const acts = { rotations: 0, atOnce: 0, revocations: 0, kills: 0 };
  const count = (): RotationCounts => {
    const { kids, ...tally } = verifiers.tally;
    return { ...load.tally, ...tally, ...acts, kids: kids.size, refused: [...refused, ...load.faults] };
  };
  const ended = (): boolean => refused.length > 0 || load.faults.length > 0 || done(count());

  const listKeys = async (): Promise<Key[]> => (await ask('GET', '/v1/keys/platform')).body.items[0].keys;
  const revoke = async (kid: string): Promise<void> => {
    revoked.set(kid, performance.now());
    const { status } = await ask('POST', '/v1/keys/platform/revoke', { kid });
    // Where the answer was lost it may be revoked already.
    if (status === 200 || status === 409) acts.revocations += 1;
  };

  /** Asks for it, in turn queued and at once, and waits until another key signs. */
  async function rotate(now: boolean): Promise<void> {
    const activeOf = (keys: Key[]) => keys.find(({ state }) => state === 'active')?.kid;
    const before = activeOf(await listKeys());
    if (!now) await ask('POST', '/v1/keys/platform/rotate', {});
    for (let looks = 0; !ended(); looks += 1) {
      // Where who had it queued was killed, nobody else takes it for two minutes.
      if (now || looks > 40) await ask('POST', '/v1/keys/platform/rotate', { now: true });
      const after = activeOf(await listKeys());
      if (after !== before) {
        acts.rotations += 1;
        acts.atOnce += now ? 1 : 0;
        return;
      }
      await delay(200);
    }
  }

  async function rotator(): Promise<void> {
    for (let turn = 1; !ended(); turn += 1) {
      await rotate(turn % 10 === 5);
      const published = (await listKeys()).filter(({ state }) => !['removed', 'revoked'].includes(state));
      const oldest = published
        .filter(({ state }) => state === 'verify_only')
        .sort((a, b) => a.published_at.localeCompare(b.published_at))[0];
      if (oldest && published.length >= CROWDED) await revoke(oldest.kid);
    }
  }

  async function killer(): Promise<void> {
    while (!ended()) {
      await delay(3_000 + random.whole(6_000));
      const replica = random.pick(replicas);
      if (ended() || !replicas.every((each) => each.ready)) continue;
      await replica.kill();
      acts.kills += 1;
      replica.start();
      await replica.untilReady(60_000);
    }
  }

  async function rememberer(): Promise<void> {
    while (!ended()) {
      await delay(500);
      await verifiers.showAgain();
    }
  }

  await Promise.all([rotator(), killer(), rememberer()]);
  await load.stop();
  await verifiers.showAgain();
  return count();
}
