// An account connected through files alone: ISSUER_URL is a static server, STS reads it, and keys wait for the publisher.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import t from 'tap';
import { systemClock } from '../../src/clock.ts';
import { createAwsSts } from '../../src/clouds/aws.ts';
import { StsError } from '../../src/clouds/aws-errors.ts';
import { createAwsKms } from '../../src/clouds/aws-kms.ts';
import { loadKeyring } from '../../src/keys/keyring/load.ts';
import { createLocalSigner } from '../../src/keys/signer.ts';
import { mintAs, webIdentityToken } from '../../src/tokens/mint.ts';
import { createStack, startTestSandbox } from '../support/connect-account.ts';
import { findLastingPort } from '../support/ports.ts';
import { registerClient, tempDir, workloadToken } from '../support/service.ts';
import { serveFiles } from '../support/static-server.ts';
import { until } from '../support/until.ts';
import { openPublishingWorld } from './world.ts';

const ACCOUNT = '111122223333';
/** Of the key policy here. */
const [A, D] = [2, 30];

t.test('from a bucket-like origin: connect, exchange, rotate, revoke', async (t) => {
  const dir = tempDir(t);
  const files = await serveFiles(t, dir);
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: A });
  const internal = await findLastingPort();
  const world = await openPublishingWorld(
    t,
    {},
    {
      env: {
        ...{ ISSUER_URL: files.url, PORT: '0', STS_ENDPOINT_URL: sandbox.url },
        ...{ INTERNAL_URL: `http://127.0.0.1:${internal}`, INTERNAL_PORT: String(internal) },
        TEMPLATE_URL: 'https://bucket.s3.amazonaws.com/countersign.yaml',
        KEY_POLICY_VERIFIER_CACHE_SECONDS: String(A),
        KEY_POLICY_OLDEST_SERVED_SECONDS: String(D),
        KEY_POLICY_OLDEST_SIGNED_SECONDS: String(D),
      },
    },
  );
  const { service, run, turnOn } = world;
  const publish = async () => t.equal((await run(['publish', '--to', dir])).code, 0, 'published');
  const { id, issuer } = await world.connect('Acme');
  await turnOn(dir);

  const link = () => service.call('GET', `/v1/connections/${id}/link`);
  t.match(await link(), { status: 503, body: { code: 'issuer_unreachable', finding: 'status_unexpected' } });
  await publish();
  t.equal((await link()).status, 200, 'its documents can be read through ISSUER_URL');

  const template = await service.call('GET', `/v1/connections/${id}/template?format=yaml`);
  await createStack(sandbox, ACCOUNT, 'countersign', template.body);
  const show = async () => (await service.call('GET', `/v1/connections/${id}`)).body;
  t.ok(await until(async () => (await show()).state === 'active'));
  t.ok(files.asked.includes(`/c/${issuer}/jwks`), 'STS read the file');

  const workload = await registerClient(service, { slug: 'billing' });
  await service.call('POST', '/v1/grants', { workload: workload.id, selector: { connection: id } });
  const path = `/v1/connections/${id}/credentials`;
  const token = await workloadToken(service, workload, `${service.config.issuerUrl}${path}`);
  // Of another duration each time: a session that is kept in memory would say nothing of STS.
  let duration = 900;
  const exchange = async () =>
    await service.call('GET', `${path}?duration_seconds=${(duration += 1)}`, undefined, { token });
  t.match(await exchange(), { status: 200 });

  const rotate = () => service.call('POST', `/v1/keys/${issuer}/rotate`, { now: true });
  /** Asks until it is answered so, for longer than the minute in which a standby that STS refused once is not shown again. */
  const answered = async (status: number, ask: () => Promise<{ status: number }>, message: string): Promise<void> => {
    const end = Date.now() + 90_000;
    let answer = await ask();
    for (; answer.status !== status && Date.now() < end; answer = await ask())
      await new Promise((resolve) => setTimeout(resolve, 250));
    t.match(answer, { status }, message);
  };
  t.equal((await rotate()).status, 200, 'key 1 was born with the ring: no copy is without it');
  t.match(await exchange(), { status: 200 }, 'signed by key 1, which the file has');
  const { db } = service.database;
  const longAgo = new Date(Date.now() - 2 * (A + D) * 1000);
  await db.updateTable('signing_keys').set({ published_at: longAgo }).execute();
  t.match(await rotate(), { status: 409, body: { code: 'standby_unseasoned', not_published_to: dir } }, 'however old');
  await publish();
  // A + e are three seconds, which may have passed when it is asked: as if it were placed later.
  const delayPlacements = async (seconds: number) =>
    await sql`update placements set placed_at = placed_at + ${seconds} * interval '1 second'`.execute(db);
  await delayPlacements(60);
  t.match(await rotate(), { status: 409, body: { seasoned_at: String } }, 'A + e from its placement');
  await delayPlacements(-60);
  await answered(200, rotate, 'then it signs');
  t.match(await exchange(), { status: 200 }, 'and STS knows it');

  const ring = (await service.call('GET', `/v1/keys/${issuer}`)).body.items[0];
  const { kid } = ring.keys.find((key: { state: string }) => key.state === 'active');
  const jwks = () => readFileSync(join(dir, `c/${issuer}/jwks`), 'utf8');
  // Whoever has the private half, and goes on signing with it.
  const sources = { sources: service.config.keks, mayCreate: false, kms: createAwsKms() };
  const signer = createLocalSigner({ db, keyring: await loadKeyring(db, sources), clock: systemClock });
  t.ok(await signer.opens(kid));
  const sts = createAwsSts({ endpointUrl: sandbox.url });
  t.teardown(() => sts.close());
  const { role_arn: roleArn } = (await show()).aws;
  const forge = async (): Promise<string> => {
    const claims = webIdentityToken({ issuer, algorithm: 'ES256', subject: id, roleArn });
    const minting = { issuerUrl: service.config.issuerUrl, signer, clock: systemClock };
    const { token: forged } = await mintAs(minting, { kid, algorithm: 'ES256' }, claims);
    return await sts
      .assumeRoleWithWebIdentity({
        ...{ region: 'us-east-1', roleArn, roleSessionName: 'forged', token: forged, durationSeconds: 900 },
      })
      .then(() => 'taken')
      .catch((error: unknown) => (error instanceof StsError ? error.awsCode : String(error)));
  };
  const revoked = await service.call('POST', `/v1/keys/${issuer}/revoke`, { kid, accept_outage: true });
  t.match(revoked, { status: 200, body: { published_to: [dir] } });
  t.ok(jwks().includes(kid), 'the copy holds it until it is written anew');
  t.match(await exchange(), { status: 503 }, 'its successor is in no file yet');
  t.equal(await forge(), 'taken', 'and STS takes what is signed by it: it knows the file alone');
  await publish();
  t.notOk(jwks().includes(kid));
  await answered(200, exchange, 'STS knows the successor once its cache is A old');
  t.equal(await forge(), 'InvalidIdentityToken', 'and takes nothing more of the revoked key');
  t.match(await db.selectFrom('withdrawals').select('kid').execute(), [{ kid }]);
});
