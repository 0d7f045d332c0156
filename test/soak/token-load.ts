// Tokens as fast as replicas give them: keep-alive connections, each to a replica that lives, requests signed on the way.
import { generateKeyPairSync } from 'node:crypto';
import { type BenchClient, buildTokenRequest } from '../../bench/clients.ts';
import { type Line, openLine } from '../../bench/load.ts';
import { thumbprint } from '../../src/keys/algorithms.ts';
import type { Random } from './random.ts';
import type { Replica } from './replica.ts';

export interface TokenLoad {
  tally: { tokens: number; unavailable: number; cut: number };
  /** Answers that are neither a token nor an excuse. */
  faults: string[];
  stop(): Promise<void>;
}

/** A key pair and what the service is told of it; its id is what the service answers. */
export function createLoadClient(): Omit<BenchClient, 'id'> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y } = publicKey.export({ format: 'jwk' }) as { x: string; y: string };
  const jwk = { kty: 'EC', crv: 'P-256', x, y } as const;
  return { kid: thumbprint(jwk), privateKey, jwk };
}

/** Tokens that wait for a verifier at most: who takes no more of them is not outrun. */
const UNSHOWN = 1000;

export function startTokenLoad(options: {
  issuerUrl: string;
  replicas: readonly Replica[];
  clients: readonly BenchClient[];
  connections: number;
  random: Random;
  show: (token: string) => Promise<void>;
}): TokenLoad {
  const { issuerUrl, replicas, clients, random, show } = options;
  const faults: string[] = [];
  const tally = { tokens: 0, unavailable: 0, cut: 0 };
  let stopped = false;
  let unshown = 0;
  const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  async function ask(line: Line, url: string): Promise<void> {
    const endpoint = { url: `${url}/oauth2/token`, issuerUrl, resource: `${issuerUrl}/v1/credentials` };
    const { status, body } = await line.ask(buildTokenRequest(random.pick(clients), endpoint));
    if (status === 200) {
      tally.tokens += 1;
      unshown += 1;
      void show((JSON.parse(body) as { access_token: string }).access_token)
        .catch((error: unknown) => void faults.push(String(error)))
        .finally(() => (unshown -= 1));
    } else if (status === 503) {
      tally.unavailable += 1;
      await delay(20 + random.whole(50));
    } else faults.push(`${status}: ${body.slice(0, 300)}`);
    while (unshown > UNSHOWN && !stopped) await delay(2);
  }

  async function worker(): Promise<void> {
    while (!stopped && faults.length === 0) {
      const replica = random.pick(replicas);
      if (!replica.ready) {
        await delay(20);
        continue;
      }
      const line = await openLine(replica.direct).catch(() => undefined);
      try {
        while (line && !stopped && faults.length === 0) await ask(line, replica.direct);
      } catch {
        // It was killed: what was under way is nobody's.
        tally.cut += 1;
      } finally {
        line?.close();
      }
    }
  }

  const running = Array.from({ length: options.connections }, worker);
  return {
    ...{ tally, faults },
    stop: async () => {
      stopped = true;
      await Promise.all(running);
      while (unshown > 0) await delay(10);
    },
  };
}
