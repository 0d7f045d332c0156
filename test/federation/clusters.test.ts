// Clusters as they are run: keys that rotate with overlap and without, and one that nobody reaches, whose keys are pasted.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import t from 'tap';
import { systemClock } from '../../src/clock.ts';
import { createRanges } from '../../src/http/addresses.ts';
import { createEgress } from '../../src/reach/egress.ts';
import { createIssuerKeys, FETCH_EVERY_MS, RENEW_AFTER_MS } from '../../src/trusted-issuers/keys.ts';
import type { TrustedIssuer } from '../../src/trusted-issuers/store.ts';
import { readIssuedToken, verifyIssuedToken } from '../../src/trusted-issuers/verify.ts';
import { cli, temporaryFolder } from '../cli/stand-in.ts';
import { startCluster } from '../support/cluster.ts';
import { createStandInKey, type StandInKey } from '../support/stand-in-issuer.ts';
import { until } from '../support/until.ts';
import { openFederation } from './world.ts';

const ACCOUNT = 'payments/billing';
const SUBJECT = 'system:serviceaccount:payments:billing';
const KUBEADM = 'https://kubernetes.default.svc.cluster.local';
const ISSUER_URL = 'https://id.example.com';
const JWKS = '/openid/v1/jwks';

const createKey = (): StandInKey => createStandInKey('RS256');

t.test('a cluster rotates its keys: with overlap no token is refused, without it for a minute', async (t) => {
  const [first, second, third] = [createKey(), createKey(), createKey()];
  const cluster = await startCluster(t, first);
  const time = { now: 0 };
  const clock = { ...systemClock, monotonic: () => time.now };
  const log = { warn: (details: object) => t.fail(JSON.stringify(details)) };
  const keys = createIssuerKeys({
    ask: createEgress({ allowed: createRanges(['127.0.0.1/32']), deadlineMs: 60_000 }),
    clock,
    log,
  });
  const issuer = {
    ...{ id: 'ti_x', kind: 'kubernetes', issuer: cluster.issuer, jwks_uri: null, jwks: null, state: 'active' },
    ...{ algorithms: ['RS256'], max_token_seconds: 3600, version: 1 },
  } as TrustedIssuer;
  const isTaken = async (token: string): Promise<boolean> =>
    await verifyIssuedToken(readIssuedToken(token, ISSUER_URL), 'platform', [issuer], { keys, now: clock.wall }).then(
      () => true,
      () => false,
    );
  const make = (): Promise<string> => cluster.tokenFor(ACCOUNT, ISSUER_URL);
  /** Keys of that age are fetched anew before they are used. */
  const renew = async (used: string, done: () => Promise<boolean>): Promise<void> => {
    time.now += RENEW_AFTER_MS;
    t.ok(await isTaken(used), 'it is used when they are fetched');
    t.ok(await until(done, 60_000), `and come: ${JSON.stringify(await keys.look(issuer))}`);
  };

  const old = await make();
  t.ok(await isTaken(old));
  await cluster.rotate([first, second], first);
  await renew(old, async () => (await keys.look(issuer)).kids.includes(second.kid));
  const asked = (await cluster.asked()).length;
  await cluster.rotate([first, second], second);
  const next = await make();
  t.ok(await isTaken(next), 'known before it signs');
  t.ok(await isTaken(old), 'what the old one signed is good until it ends');
  t.equal((await cluster.asked()).length, asked + 1, 'and nobody asked the cluster but the pod');
  await cluster.rotate([second], second);
  await renew(next, async () => !(await isTaken(old)));
  t.ok(await isTaken(next), 'the old one is gone, and the new one stays');

  await cluster.rotate([third], third);
  const late = await make();
  t.notOk(await isTaken(late), 'one that signs before anybody could know it, within a minute of the last fetch');
  time.now += FETCH_EVERY_MS;
  t.ok(await isTaken(late), 'is found after it');
  t.notOk(await isTaken(next), 'together with what is gone');
});

t.test('a cluster that is reached, and one that nobody reaches, whose keys are pasted', async (t) => {
  const { service, register, exchange } = await openFederation(t);
  const { issuerUrl } = service.config;
  const operator = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: await service.hostToken() };
  const run = async (line: string): Promise<Record<string, unknown>> => {
    const ended = await cli([...line.split(' '), '--json'], operator);
    t.equal(ended.code, 0, `${line}: ${ended.stderr}`);
    return JSON.parse(ended.stdout) as Record<string, unknown>;
  };
  const [first, second] = [createKey(), createKey()];
  const open = await startCluster(t, createKey());
  const closed = await startCluster(t, first, KUBEADM);
  const file = join(temporaryFolder(t), 'closed.json');
  const paste = async (verb: string): Promise<unknown> => {
    writeFileSync(file, JSON.stringify(await closed.get(JWKS)));
    return await run(`trusted-issuer ${verb} --jwks ${file}`);
  };
  await run(`trusted-issuer create open --kind kubernetes --issuer ${open.issuer}`);
  await paste(`create closed --kind kubernetes --issuer ${KUBEADM}`);
  t.match(await run('trusted-issuer keys closed'), { kids: [first.kid] });
  const workloads: Record<string, string> = {};
  for (const [name, cluster] of Object.entries({ open, closed })) {
    workloads[name] = (await register(name)).id;
    const uid = await cluster.uidOf(ACCOUNT);
    const claim = `--claim /kubernetes.io/serviceaccount/uid=${uid}`;
    await run(`workload identity add ${name} --issuer ${name} --subject ${SUBJECT} ${claim}`);
  }
  const show = async (cluster: typeof open, audience = issuerUrl, account = ACCOUNT) =>
    await exchange(await cluster.tokenFor(account, audience));
  for (const [name, cluster] of Object.entries({ open, closed })) {
    const answer = await show(cluster);
    t.equal(answer.status, 200, JSON.stringify(answer.body));
    t.equal(decodeJwt(answer.body.access_token as string).sub, workloads[name], `a pod of the one that is ${name}`);
    const refused = { status: 400, body: { error: 'invalid_request' } };
    t.match(await show(cluster, 'https://kubernetes.default.svc'), refused, 'with a token for its own API');
    t.match(await show(cluster, issuerUrl, 'payments/other'), refused, 'another account');
    t.match(
      await show(cluster, issuerUrl, 'staging/billing'),
      refused,
      'the account of that name in another namespace',
    );
  }

  await closed.rotate([first, second], first);
  t.equal((await show(closed)).status, 200);
  await paste('update closed');
  await closed.rotate([first, second], second);
  t.equal((await show(closed)).status, 200, 'pasted before it signs: nobody is refused');
  await closed.rotate([second], second);
  await paste('update closed');
  t.equal((await show(closed)).status, 200, 'and the old one is gone');
  const unpasted = createKey();
  await closed.rotate([second, unpasted], unpasted);
  const refused = { status: 400, body: { error_description: /not trusted here, or did not sign it/ } };
  t.match(await show(closed), refused, 'nobody fetches what was not pasted');
  const asked = await closed.asked();
  t.equal(asked.filter((line) => line === `GET ${JWKS}`).length, 3, 'its keys were asked for by who pasted them alone');
  t.notOk(asked.some((line) => line.includes('.well-known')));

  await open.remake(ACCOUNT);
  t.match(
    await show(open),
    { status: 400, body: { error_description: /no workload has this identity/ } },
    'who makes the account anew under its name is another',
  );
});
