// The two listeners and the host's socket as configuration wants them, and what is looked at while they run.
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { Term } from '../reach/renewal.ts';
import { createRanges, withoutPort } from './addresses.ts';
import { createTraffic, type Traffic } from './connections.ts';
import type { ServerOptions } from './server.ts';
import { loadCertificate } from './tls.ts';

export interface ListenerOptions {
  shared: boolean;
  public: ServerOptions;
  internal: ServerOptions;
  host: ServerOptions;
  /** Of the public listener (nothing where the two are one), of the internal one, of the host's socket. */
  traffic: Record<'public' | 'internal' | 'host', Traffic>;
  /** The term of the internal listener's certificate in use; undefined where it has none. */
  certificate(): Term | undefined;
  /** The log's line of the internal listener: Fastify does not know that it speaks TLS. */
  sayListening(address: string): string;
  /** Reads the certificate again, and says where connections were refused; to be called every few seconds. */
  look(): Promise<void>;
}

/** Whoever can open the host's socket may do everything; this many at once are somebody's mistake. */
const HOST_CONNECTIONS = 64;
const SAY_MS = 60_000;

/** Says once a minute what happened to connections since it last did. */
function createSay(traffic: ListenerOptions['traffic'], clock: Clock, log: FastifyBaseLogger): () => void {
  const said = structuredClone(traffic);
  let at = Number.NEGATIVE_INFINITY;
  return () => {
    if (clock.monotonic() - at < SAY_MS) return;
    for (const name of ['public', 'internal', 'host'] as const) {
      const now = traffic[name];
      const before = said[name];
      const refused = now.refused - before.refused;
      const refusedOfAddress = now.refusedOfAddress - before.refusedOfAddress;
      const cut = now.cut - before.cut;
      said[name] = { ...now };
      if (refused + refusedOfAddress + cut === 0) continue;
      at = clock.monotonic();
      const counts = { listener: name, open: now.open, refused, refused_of_address: refusedOfAddress, cut };
      log.warn(counts, 'connections were refused, or cut because their answer was not taken');
    }
  };
}

export function createListenerOptions(
  config: Config,
  {
    clock,
    log,
    ...seams
  }: Pick<ServerOptions, 'closedBecause' | 'countProblem' | 'tracer'> & { clock: Clock; log: FastifyBaseLogger },
): ListenerOptions {
  const { connections, internalTls } = config;
  const isProxy = createRanges(config.trustProxy ?? []);
  const trustProxy = config.trustProxy && ((address: string) => isProxy(withoutPort(address)));
  const traffic = { public: createTraffic(), internal: createTraffic(), host: createTraffic() };
  const certificate = internalTls ? loadCertificate(internalTls, { clock, log }) : undefined;
  const say = createSay(traffic, clock, log);
  const common = (name: 'public' | 'internal' | 'host', total: number): Omit<ServerOptions, 'hosts'> => ({
    ...seams,
    ...{ logger: log, traffic: traffic[name], connections: { total, perAddress: connections.perAddress, isProxy } },
  });
  return {
    shared: config.shared,
    public: { ...common('public', connections.public), trustProxy, hosts: config.publicHosts },
    internal: { ...common('internal', connections.internal), trustProxy, hosts: config.internalHosts, certificate },
    // No proxy stands before it, whatever its headers say.
    host: { ...common('host', HOST_CONNECTIONS), hosts: config.internalHosts },
    traffic,
    certificate: () => certificate?.term(),
    sayListening: (address) => `Server listening at ${certificate ? address.replace(/^http:/, 'https:') : address}`,
    look: async () => {
      say();
      await certificate?.refresh();
    },
  };
}
