// The end of a sign-in on this machine: a server on 127.0.0.1 that takes one redirect, answers it, and is gone.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Failure } from '../failure.ts';
import { buildPage } from './page.ts';

/** What is registered at the issuer, without the port: RFC 8252, section 7.3. */
const PATH = '/callback';

export interface Callback {
  /** With everything that the issuer sent. */
  url: URL;
  /** @param fault what went wrong; undefined where the person is signed in. Resolves when the browser has the page. */
  answer(fault: string | undefined): Promise<void>;
}

export interface Loopback {
  redirectUri: string;
  /** What the issuer sends back: whoever comes without it was not sent by this sign-in, and does not end it. */
  state: string;
  callback: Promise<Callback>;
  close(): void;
}

function sendPage(response: ServerResponse, status: number, page: string): Promise<void> {
  response.writeHead(status, {
    ...{ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', connection: 'close' },
    'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ...{ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' },
  });
  return new Promise((resolve) => {
    // Who closed the page meanwhile gets none.
    if (response.closed) return resolve();
    response.once('close', resolve);
    response.end(page);
  });
}

/** @param port 0 for a free one. @throws Failure */
export async function openLoopback(port: number, name: string): Promise<Loopback> {
  const { promise: callback, resolve } = Promise.withResolvers<Callback>();
  const state = randomBytes(32).toString('base64url');
  let taken = false;
  const server = createServer((request, response) => {
    const { host } = request.headers;
    const url = URL.parse(request.url ?? '', origin);
    // Another name for this address is a page of somebody else's that looks for it.
    const ours = request.method === 'GET' && host === new URL(origin).host && url?.origin === origin;
    const sent = ours && url.pathname === PATH && url.searchParams.get('state') === state;
    if (!sent || taken)
      return void sendPage(response, 404, buildPage('Nothing is here', 'Go on in the window where you came from.'));
    taken = true;
    const answer = (fault: string | undefined): Promise<void> =>
      fault === undefined
        ? sendPage(
            response,
            200,
            buildPage(`You signed in at ${name}`, 'Close this page. Your terminal says what is next.'),
          )
        : sendPage(response, 400, buildPage('You are not signed in', `${fault} Your terminal says what to do.`));
    resolve({ url, answer });
  });
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Failure('cannot_listen', `The browser cannot come back to 127.0.0.1:${port} (${code}).`, {
      hint: 'Give another --port, or none for a free one.',
    });
  }
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { redirectUri: `${origin}${PATH}`, state, callback, close };
}
