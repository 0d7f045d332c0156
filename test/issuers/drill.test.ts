// `countersign key drill` on the real service: everything as promised, read from outside; and nothing but records stays.
import t from 'tap';
import type { Finding, Report } from '../../src/cli/doctor/findings.ts';
import { connectAccount, startTestSandbox } from '../support/connect-account.ts';
import { startTestService } from '../support/service.ts';
import { cli, type Ended, problem, startStandIn } from '../cli/stand-in.ts';

const running = (): Promise<void> => new Promise(() => {});
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

t.test('created, rotated, revoked, all revoked, ended', async (t) => {
  const service = await startTestService(t);
  const { db } = service.database;
  const drill = (...argv: string[]): Promise<Ended> =>
    cli(
      ['key', 'drill', '--timeout', '60', '--json', ...argv],
      { SOCKET_PATH: service.config.socketPath },
      { sleep, now: Date.now, stopped: running },
    );
  t.equal((await drill()).code, 2, 'it has a reason');
  const ended = await drill('--reason', 'Q4 drill');
  t.equal(ended.code, 0, ended.stderr);
  const report = ended.json() as { issuer: string; issuer_url: string; steps: { keys: number; etag: string }[] };
  t.match(report, { reason: 'Q4 drill', private_halves_left: 0, private_halves_destroyed: 6 });
  t.same(
    report.steps.map(({ keys }) => keys),
    [2, 3, 3, 2, 0],
  );
  t.equal(new Set(report.steps.map(({ etag }) => etag)).size, 5, 'the bytes changed with each step');

  t.same(await (await fetch(`${report.issuer_url}/jwks`)).json(), { keys: [] });
  const [ring] = (await service.call('GET', `/v1/keys/${report.issuer}`)).body.items;
  t.ok(ring.keys.length === 6 && ring.keys.every(({ state }: { state: string }) => state === 'revoked'));
  t.match(ring, { next_rotation_at: undefined, retired: true }, 'nobody rotates it any more');
  const listed = await cli(['key', 'list'], { SOCKET_PATH: service.config.socketPath });
  t.match(
    listed.stdout.split('\n').find((line) => line.includes(report.issuer)),
    /6 +retired/,
  );
  const left = await db
    .selectFrom('private_keys')
    .innerJoin('signing_keys', 'signing_keys.kid', 'private_keys.kid')
    .select('private_keys.kid')
    .where('signing_keys.ring', '=', `${report.issuer}:ES256`)
    .execute();
  t.same(left, []);
  const { body } = await service.call('GET', '/v1/audit?limit=200&actor=host');
  const kinds = body.items
    .filter(({ details }: { details: { reason?: string } }) => details.reason === 'Q4 drill')
    .map(({ kind }: { kind: string }) => kind);
  t.same(kinds.sort(), [
    ...['key.drill_begun', 'key.drill_ended', 'key.revoked', 'key.revoked', 'key.revoked', 'key.revoked'],
    ...['key.rotated', 'token.minted'],
  ]);
  t.match(await service.call('DELETE', `/v1/key-drills/${report.issuer}`), { status: 200, body: { changed: false } });
});

t.test('the doctor finds no fault with what a drill leaves behind', async (t) => {
  const service = await startTestService(t);
  const { issuer } = (await service.call('POST', '/v1/key-drills')).body as { issuer: string };
  t.equal((await service.call('DELETE', `/v1/key-drills/${issuer}`)).status, 200);
  const { findings } = (await cli(['doctor', '--json'], { SOCKET_PATH: service.config.socketPath })).json() as Report;
  const about = (what: (finding: Finding) => boolean) => findings.filter(what);
  t.match(
    about(({ code }) => code === 'keys'),
    [{ severity: 'ok' }],
  );
  t.same(
    about(({ subject, severity }) => severity !== 'ok' && (subject?.includes(issuer) ?? false)),
    [],
  );
});

t.test('only a drill is ended as one, and one that was forgotten is ended by the next', async (t) => {
  const sandbox = await startTestSandbox(t);
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const { id, issuer } = await connectAccount(service, sandbox);
  const end = (name: string) => service.call('DELETE', `/v1/key-drills/${name}`);
  t.match(await end(issuer.id), { status: 404, body: { code: 'not_found' } }, 'not that of a connection');
  t.match(await end(`is_${'a'.repeat(26)}`), { status: 404 });
  t.equal((await end('platform')).status, 400);
  t.match((await service.call('GET', `/v1/keys/${issuer.id}`)).body.items[0].keys, [
    { state: String },
    { state: String },
  ]);

  const begin = async () => (await service.call('POST', '/v1/key-drills')).body as { issuer: string };
  const [forgotten, running] = [await begin(), await begin()];
  const { db } = service.database;
  await db
    .updateTable('rings')
    .set({ created_at: new Date(Date.now() - 7_200_000) })
    .where('issuer', 'in', [forgotten.issuer, issuer.id])
    .execute();
  await begin();
  const rings = async (name: string) => (await service.call('GET', `/v1/keys/${name}`)).body.items[0].next_rotation_at;
  t.equal(await rings(forgotten.issuer), undefined);
  t.ok(await rings(running.issuer), 'one that may still be under way is left alone');
  t.ok(await rings(issuer.id), 'and a connection, however old');
  t.match((await service.call('GET', `/v1/connections/${id}`)).body, { state: 'active' });
  t.equal((await service.call('DELETE', `/v1/connections/${id}`)).status, 200);
  const [over] = (await service.call('GET', `/v1/keys/${issuer.id}`)).body.items;
  t.equal(over.retired, true, 'until it is disconnected');
});

t.test('where strangers do not read what they should, it says so, and ends all the same', async (t) => {
  const [fault, rehearsing] = [problem(503, 'unavailable', 'Not now.'), { stopped: running }];
  const keys = [
    { kid: 'a'.repeat(43), state: 'active' },
    { kid: 'b'.repeat(43), state: 'standby' },
  ];
  let url = '';
  const {
    env,
    calls,
    url: at,
  } = await startStandIn(t, {
    'POST /v1/key-drills': () => ({ body: { issuer: 'is_x', issuer_url: `${url}/c/is_x` } }),
    'GET /v1/keys/is_x': { body: { items: [{ keys }] } },
    'GET /c/is_x/jwks': { body: { keys: [keys[0]] } },
    'DELETE /v1/key-drills/is_x': (_, nth) =>
      nth === 1 ? fault : { body: { private_halves_destroyed: 2, private_halves_left: 0 } },
  });
  url = at;
  const argv = ['key', 'drill', '--timeout', '3', '--reason', 'Q4 drill'];
  const ended = await cli(argv, env, rehearsing);
  t.match(ended, { code: 1, stderr: /has keys a{43}, not a{43}, b{43}\. \[jwks_not_as_promised\]/ });
  t.equal(calls.at(-1)?.method, 'DELETE');
  t.notOk(
    calls.some(({ path }) => path.endsWith('/rotate')),
    'and nothing more is tried',
  );
  const left = await cli(argv, env, rehearsing);
  t.match(left, { code: 1, stderr: /still there, until the next drill[^]*Not now[^]*\[jwks_not_as_promised\]/ });

  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<void>();
  let looks = 0;
  const ctrlC = async (): Promise<void> => {
    looks += 1;
    if (looks === 2) interrupt();
    // By then the process would be gone.
    if (looks > 2) throw new Error('over');
    await sleep(5);
  };
  const early = await cli(argv, env, { sleep: ctrlC, stopped: () => interrupted });
  t.match(early, { code: 130, stderr: '' });
  t.equal(calls.filter(({ method }) => method === 'DELETE').length, 3, 'who interrupts it leaves no keys either');
});
