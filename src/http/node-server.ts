// Node's own server under Fastify: http, or https with a certificate that is renewed; its deadlines, its connections.
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { boundConnections, type ConnectionBounds, createTraffic, type Traffic } from './connections.ts';
import type { Certificate } from './tls.ts';

/** Milliseconds. */
export const DEADLINES = {
  /** From the first byte of a request, or from the connection, until its headers are there. */
  headersMs: 10_000,
  /** The same until its body is there. */
  requestMs: 15_000,
  /** From an answer that waits to be read until its connection ends. */
  answerMs: 30_000,
  /** Without a request, after one. Above the 60 s of common load balancers: the one that closes is never us. */
  idleMs: 72_000,
  handshakeMs: 10_000,
  /** Node looks for requests beyond their deadlines every 30 s unless told otherwise. */
  lookMs: 1000,
};

export interface NodeServerOptions {
  deadlines?: Partial<typeof DEADLINES> | undefined;
  /** Plain http unless given. */
  certificate?: Certificate | undefined;
  connections?: ConnectionBounds | undefined;
  /** What happens to connections is counted here. */
  traffic?: Traffic | undefined;
}

const NO_PROXY = { total: 4096, perAddress: 1024, isProxy: () => false };

export function createNodeServer(listener: RequestListener, options: NodeServerOptions): Server {
  const deadlines = { ...DEADLINES, ...options.deadlines };
  const { certificate, connections = NO_PROXY, traffic = createTraffic() } = options;
  const common = {
    maxHeaderSize: 8 * 1024,
    headersTimeout: deadlines.headersMs,
    requestTimeout: deadlines.requestMs,
    keepAliveTimeout: deadlines.idleMs,
    connectionsCheckingInterval: deadlines.lookMs,
  };
  const server = certificate
    ? createHttpsServer(
        { ...common, ...certificate.options(), handshakeTimeout: deadlines.handshakeMs, ALPNProtocols: ['http/1.1'] },
        listener,
      )
    : createHttpServer(common, listener);
  if ('setSecureContext' in server) certificate?.renew(server);
  boundConnections(server, connections, deadlines, traffic);
  return server as Server;
}
