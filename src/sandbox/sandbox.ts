// The sandbox: a local AWS over HTTP (STS, IAM, CloudFormation), as strict as the real one but for http and ports on loopback.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { control } from './control.ts';
import type { RecordedCall } from './dispatch.ts';
import { dispatch, toAwsError } from './dispatch.ts';
import type { Fault, Faults } from './faults.ts';
import { createFaults } from './faults.ts';
import { createFederation, type Federation } from './federation.ts';
import type { WireRequest } from './wire/request.ts';
import { headerOf, readRequest } from './wire/request.ts';
import { renderError } from './wire/xml.ts';
import type { World } from './world.ts';
import { accountOf, createWorld } from './world.ts';

export type { Fault };

export interface SandboxOptions {
  /** 127.0.0.1 if absent. */
  host?: string;
  /** A free one if absent. */
  port?: number;
  /** How long AWS's copy of a JWKS is used; 86400 if absent. */
  jwksCacheSeconds?: number;
  /** For how long after a provider and role are created everybody is denied; 0 if absent. */
  consistencyDelayMs?: number;
  /** Milliseconds since the epoch. */
  clock?: () => number;
  log?: (line: object) => void;
  /** Is shown each request's body and each answer as they pass, secrets and all. */
  witness?: (text: string) => void;
}

export interface Sandbox {
  /** One endpoint for STS, IAM and CloudFormation. */
  url: string;
  /** The owner's static credentials; the account is made when first named. */
  account(accountId: string): { accountId: string; accessKeyId: string; secretAccessKey: string };
  /** Settable while it runs. */
  options: { jwksCacheSeconds: number; consistencyDelayMs: number };
  faults: { add(fault: Fault): void; clear(): void };
  /** What it was asked, the last thousand. */
  calls: RecordedCall[];
  close(): Promise<void>;
}

const ABOUT = {
  name: 'Countersign sandbox',
  what: 'A local stand-in for AWS: STS, IAM, CloudFormation and console sign-in on one endpoint, in memory, for development and tests.',
  use: 'aws --endpoint-url <this URL> sts get-caller-identity, with the credentials that POST /_sandbox/accounts answers',
  control: [
    'POST /_sandbox/accounts',
    'GET|PUT /_sandbox/options',
    'GET|POST|DELETE /_sandbox/faults',
    'GET /_sandbox/calls',
  ],
};

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body, null, 2)}\n`);
}

function isAbout(request: WireRequest): boolean {
  const { method, path, query } = request;
  return method === 'GET' && path === '/' && query === '' && headerOf(request, 'authorization') === undefined;
}

async function answer(
  world: World,
  faults: Faults,
  federation: Federation,
  calls: RecordedCall[],
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const request = await readRequest(message);
  if (isAbout(request)) return sendJson(response, 200, ABOUT);
  if (request.path.startsWith('/_sandbox')) {
    const { status, body } = control(world, faults, calls, request);
    return sendJson(response, status, body);
  }
  if (request.path === '/federation') return await federation.answer(faults, calls, request, response);
  await dispatch(world, faults, calls, request, response);
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}

export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { host = '127.0.0.1', port = 0, jwksCacheSeconds = 86400, consistencyDelayMs = 0 } = options;
  const live = { jwksCacheSeconds, consistencyDelayMs };
  const world = createWorld(live, options.clock ?? Date.now, options.log ?? (() => {}), options.witness);
  const faults = createFaults();
  const federation = createFederation(world);
  const calls: RecordedCall[] = [];
  const server = createServer((message, response) => {
    answer(world, faults, federation, calls, message, response).catch((cause: unknown) => {
      // Who hung up within the request is told nothing, and no fault of the sandbox.
      if (response.destroyed) return;
      const error = toAwsError(world, cause);
      if (response.headersSent) return response.destroy();
      response.writeHead(error.status, { 'content-type': 'text/xml', connection: 'close' });
      response.end(renderError(error, 'https://sts.amazonaws.com/doc/2011-06-15/', ''));
    });
  });
  const address = await listen(server, host, port);
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    url: `http://${name}:${address.port}`,
    account: (accountId) => ({ accountId, ...accountOf(world, accountId).owner }),
    options: live,
    faults: { add: faults.add, clear: faults.clear },
    calls,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
