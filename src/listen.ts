// The listeners and the host's socket, opened and closed; where they are bound.
import type { AddressInfo } from 'node:net';
import { type AppDeps, buildListeners } from './app.ts';
import type { Config } from './config.ts';
import type { Leaving } from './http/closing.ts';
import type { ListenerOptions } from './http/listeners.ts';
import { listenOnSocket } from './oauth/host-socket.ts';

export interface Listening {
  /** The same twice where they are one. */
  publicPort: number;
  internalPort: number;
  /** Serves on for as long as `DRAIN_SECONDS` says. */
  leave(leaving: Leaving): Promise<void>;
  /** Finishes what is under way. */
  close(): Promise<void>;
}

export async function listen(app: AppDeps, options: ListenerOptions, config: Config): Promise<Listening> {
  const { host } = config;
  const listeners = await buildListeners(app, options);
  await listeners.internal.listen({ host, port: config.internalPort, listenTextResolver: options.sayListening });
  await listeners.public?.listen({ host, port: config.port });
  await listenOnSocket(listeners.host, config.socketPath);
  const portOf = ({ server }: typeof listeners.internal): number => (server.address() as AddressInfo).port;
  return {
    publicPort: portOf(listeners.public ?? listeners.internal),
    internalPort: portOf(listeners.internal),
    leave: (leaving) => leaving.leave([listeners.internal, listeners.public]),
    close: async () => {
      await Promise.all([listeners.host.close(), listeners.internal.close(), listeners.public?.close()]);
    },
  };
}
