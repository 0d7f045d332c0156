// One agent: its sessions, its listener and its bearer, put together; the same for a sidecar and for one command.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.ts';
import { createBearer } from './bearer.ts';
import { type AgentServer, listenAsAgent } from './server.ts';
import { type AskService, createSessions, type Sessions, type Wanted } from './sessions.ts';

export interface AgentOptions {
  host: string;
  /** 0 for a free one. */
  port: number;
  ask: AskService;
  /** Who it is now, as long as that is the same. */
  who(): string;
  clock: Clock;
  /** From 0 to 1. */
  random(): number;
  log: FastifyBaseLogger;
  /** How long a caller without a session is held while the service is away, milliseconds. */
  holdMs: number;
  /** Where set, its listener gives nothing else. */
  only?: Wanted | undefined;
}

export interface Agent extends AgentServer {
  /** What callers show, without its scheme. */
  bearer: string;
  sessions: Pick<Sessions, 'obtain'>;
}

const LOOK_MS = 1000;

/** @throws the system's error where it cannot listen */
export async function startAgent({ host, port, log, only, ...deps }: AgentOptions): Promise<Agent> {
  const bearer = createBearer(randomBytes(32));
  const sleep = async (ms: number, signal: AbortSignal): Promise<void> => {
    await delay(ms, undefined, { signal }).catch(() => {});
  };
  const sessions = createSessions({ ...deps, sleep, log });
  const server = await listenAsAgent({ host, port, bearer, sessions, only, log });
  const looking = setInterval(() => sessions.look(), LOOK_MS);
  return {
    ...{ url: server.url, port: server.port },
    bearer,
    sessions,
    close: async () => {
      clearInterval(looking);
      sessions.close();
      await server.close();
    },
  };
}
