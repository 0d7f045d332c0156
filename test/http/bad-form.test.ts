// Bad input at the token endpoint: errors of RFC 6749, and nothing changed.
import t from 'tap';
import { assertion, registerClient, tokenForm } from '../support/service.ts';
import { listOperations, openWorld, type Operation, send, type Sent } from './operations.ts';
import { type Case, tryAll } from './refused.ts';

t.test('the token endpoint', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const { issuerUrl } = service.config;
  const client = await registerClient(service, { slug: 'shipping' });
  const operation = (await listOperations()).find(({ id }) => id === 'createToken') as Operation;
  const form = async (change: (form: URLSearchParams) => void = () => {}): Promise<string> => {
    const good = new URLSearchParams(tokenForm(await assertion(issuerUrl, client), `${issuerUrl}/v1`));
    change(good);
    return good.toString();
  };
  const post = (body: string, headers: Record<string, string> = {}): Sent => ({
    ...{ method: 'POST', path: '/oauth2/token', body },
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });
  const parameters = ['grant_type', 'client_assertion', 'client_assertion_type', 'resource'];
  const cases: Case[] = [
    ...(await Promise.all(
      parameters.map(async (name) => ({
        name: `without ${name}`,
        sent: post(await form((each) => each.delete(name))),
      })),
    )),
    ...(await Promise.all(
      parameters.map(async (name) => ({
        name: `${name} twice`,
        sent: post(await form((each) => each.append(name, each.get(name) ?? ''))),
        status: 400,
      })),
    )),
    ...(await Promise.all(
      [...parameters, 'scope', 'client_id'].map(async (name) => ({
        name: `${name} is odd`,
        sent: post(await form((each) => each.set(name, 'nul\u0000 \ud800 é'))),
      })),
    )),
    ...(await Promise.all(
      ['client_secret', 'code', '__proto__', 'constructor', 'audience', 'unknown\u0000'].map(async (name) => ({
        name: `with ${name}`,
        sent: post(await form((each) => each.append(name, 'x'))),
        status: 400,
      })),
    )),
    ...['', '%', '%zz=%zz', 'a', '&&&', '=', 'grant_type', 'x'.repeat(300)].map((body) => ({
      name: `the body ${body.slice(0, 12)}`,
      sent: post(body),
      status: 400,
    })),
    { name: '17 kB', sent: post(`resource=${'x'.repeat(17 * 1024)}`), status: 413 },
    { name: 'JSON', sent: post('{}', { 'content-type': 'application/json' }), status: 415 },
    { name: 'no content type', sent: { method: 'POST', path: '/oauth2/token', body: await form() }, status: 415 },
    { name: 'a foreign Host', sent: post(await form(), { host: 'evil.example' }), status: 421 },
    {
      name: 'a client id that is another',
      sent: post(await form((each) => each.set('client_id', `wl_${'a'.repeat(26)}`))),
      status: 400,
    },
    { name: 'a scope that is none', sent: post(await form((each) => each.set('scope', 'everything'))), status: 400 },
    {
      name: 'a resource that is none',
      sent: post(await form((each) => each.set('resource', 'not a url'))),
      status: 400,
    },
    {
      name: 'a resource with a fragment',
      sent: post(await form((each) => each.set('resource', `${issuerUrl}/v1#x`))),
      status: 400,
    },
    { name: 'GET', sent: { method: 'GET', path: '/oauth2/token' }, status: 404 },
  ];
  await tryAll(t, world, operation, cases);
  t.equal(
    (await send(service.url, post(await form()))).status,
    200,
    'the form of these cases is right but for what they change',
  );
});
