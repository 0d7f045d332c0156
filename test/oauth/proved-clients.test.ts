// oidc-provider authenticates nobody: whoever comes past the route, or under another's name, is no client at all.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { systemClock } from '../../src/clock.ts';
import { publicBytes } from '../../src/keys/algorithms.ts';
import { createProvider } from '../../src/oauth/provider.ts';
import { attachRequest } from '../../src/oauth/request.ts';
import type { ClientRow } from '../../src/oauth/store.ts';

const ID = `wl_${'a'.repeat(26)}`;
const OTHER = `wl_${'b'.repeat(26)}`;

t.test('a request that has proved nothing gets nothing, and a proved one is nobody else', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = { kid: 'k', public: publicBytes(privateKey), publishedAt: 0, bornWithRing: true, seq: 0, signsFrom: 0 };
  const view = { find: () => [{ keys: [key] }], now: () => 0, assertMaySign: () => {} };
  let decided = 0;
  const provider = createProvider({
    issuerUrl: 'http://127.0.0.1',
    view: view as unknown as Parameters<typeof createProvider>[0]['view'],
    signer: { sign: async () => new Uint8Array(64) },
    decideToken: async () => {
      decided += 1;
      return { audience: 'x', scopes: [], connection: undefined };
    },
    catchUp: async () => {},
    clock: systemClock,
    record: async (_ctx, next) => await next(),
  });
  let attach: (request: IncomingMessage) => void = () => {};
  const callback = provider.callback();
  const server = createServer((request, response) => {
    attach(request);
    void callback(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const ask = async (client_id: string) => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_id, resource: 'https://x.example' });
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth2/token`, {
      method: 'POST',
      body,
    });
    return { status: answer.status, body: await answer.text() };
  };
  t.equal((await ask(ID)).status, 500, 'past the route');
  attach = (request) =>
    attachRequest(request, {
      ...{ id: 'rq_x', requestedScopes: undefined, client: { id: ID, kind: 'workload' } as ClientRow },
      proof: { replay: undefined, endsAt: Number.POSITIVE_INFINITY, details: {}, again: async () => undefined },
      exchanged: false,
    });
  t.match(await ask(OTHER), { status: 401, body: /invalid_client/ }, "another's name");
  t.equal(decided, 0, 'nothing was decided for either');
  await ask(ID);
  t.equal(decided, 1, 'and the one that proved itself is let in');
});
