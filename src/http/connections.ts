// Connections of one listener: how many at once, how many of one address, and none for whoever does not take its answer.
import type { Server, Socket } from 'node:net';
import { callerOf } from './addresses.ts';

export interface ConnectionBounds {
  total: number;
  perAddress: number;
  /** Whose connections are those of many: proxies. */
  isProxy(address: string): boolean;
}

/** Since the start. */
export interface Traffic {
  open: number;
  /** Beyond the listener's bound. */
  refused: number;
  /** Beyond the bound of their address. */
  refusedOfAddress: number;
  /** Did not take their answer in time. */
  cut: number;
}

export const createTraffic = (): Traffic => ({ open: 0, refused: 0, refusedOfAddress: 0, cut: 0 });

type Accept = (this: Server, socket: Socket) => void;

/** Puts itself in front of what takes the server's connections, TLS included. */
function countByAddress(server: Server, { perAddress, isProxy }: ConnectionBounds, traffic: Traffic): void {
  const [accept] = server.listeners('connection') as [Accept];
  const open = new Map<string, number>();
  server.removeListener('connection', accept);
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    // The host's socket has no addresses, and a proxy's connections are those of many.
    const caller = remoteAddress === undefined || isProxy(remoteAddress) ? undefined : callerOf(remoteAddress);
    const count = caller === undefined ? 0 : (open.get(caller) ?? 0);
    if (count >= perAddress) {
      traffic.refusedOfAddress += 1;
      socket.destroy();
      return;
    }
    traffic.open += 1;
    if (caller !== undefined) open.set(caller, count + 1);
    socket.once('close', () => {
      traffic.open -= 1;
      if (caller === undefined) return;
      const left = (open.get(caller) ?? 1) - 1;
      if (left === 0) open.delete(caller);
      else open.set(caller, left);
    });
    accept.call(server, socket);
  });
}

/** An answer that its caller does not read is memory of ours: after `answerMs` with bytes waiting, the connection ends. */
function cutSlowReaders(server: Server, answerMs: number, lookMs: number, traffic: Traffic): void {
  const waited = new Map<Socket, number>();
  const secure = server.listenerCount('secureConnection') > 0;
  server.on(secure ? 'secureConnection' : 'connection', (socket: Socket) => {
    if (socket.destroyed) return;
    waited.set(socket, 0);
    socket.once('close', () => waited.delete(socket));
  });
  server.on('listening', () => {
    const timer = setInterval(() => {
      for (const [socket, ms] of waited) {
        if (socket.writableLength === 0) {
          if (ms > 0) waited.set(socket, 0);
        } else if (ms >= answerMs) {
          traffic.cut += 1;
          socket.destroy();
        } else waited.set(socket, ms + lookMs);
      }
    }, lookMs);
    timer.unref();
    server.once('close', () => clearInterval(timer));
  });
}

export function boundConnections(
  server: Server,
  bounds: ConnectionBounds,
  deadlines: { answerMs: number; lookMs: number },
  traffic: Traffic,
): void {
  server.maxConnections = bounds.total;
  server.on('drop', () => {
    traffic.refused += 1;
  });
  countByAddress(server, bounds, traffic);
  cutSlowReaders(server, deadlines.answerMs, deadlines.lookMs, traffic);
}
