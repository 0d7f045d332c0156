// `countersign publish` into a bucket: a strict stand-in for S3, what it refuses by name, and publishers that were asleep.
import t, { type Test } from 'tap';
import { createBucket } from '../../src/clouds/aws-s3.ts';
import { type Fault, S3_ENV, startTestS3, type TestS3 } from '../support/s3.ts';
import { DISCOVERY, openPublishingWorld, pathsOf, type PublishingWorld } from './world.ts';

Object.assign(process.env, S3_ENV);
const TO = 's3://documents/id';

async function openBucketWorld(t: Test): Promise<PublishingWorld & { s3: TestS3; publish(): Promise<object> }> {
  const s3 = await startTestS3(t);
  const world = await openPublishingWorld(t, { AWS_ENDPOINT_URL_S3: s3.url });
  const publish = async () => {
    const { code, stdout, stderr } = await world.run(['publish', '--to', TO]);
    return code === 0 ? JSON.parse(stdout) : JSON.parse(stderr).error;
  };
  return { ...world, s3, publish };
}

t.test('objects as the service serves them, with their type and their age; only what changed', async (t) => {
  const { service, s3, publish, turnOn, connect, served } = await openBucketWorld(t);
  const { issuer } = await connect('Acme');
  await turnOn(TO);
  t.match(await publish(), { written: 4, verified: true });
  for (const path of pathsOf(issuer)) {
    t.match(s3.objects.get(`documents/id/${path}`), {
      ...{ body: await served(path), contentType: 'application/json', cacheControl: 'public, max-age=5' },
    });
  }
  const keys = s3.requests.filter((line) => line.startsWith('PUT') && line.includes(issuer));
  t.match(keys, [/jwks$/, /openid-configuration$/], 'the JWKS first');
  s3.requests.length = 0;
  t.match(await publish(), { written: 0, verified: false });
  t.same(s3.requests, [`HEAD documents/id/${DISCOVERY}`, `PUT documents/id/${DISCOVERY}`], 'as it was left; compares');
  await service.call('POST', `/v1/keys/${issuer}/rotate`, { now: true });
  t.match(await publish(), { written: 1 });
  t.equal(s3.objects.get(`documents/id/c/${issuer}/jwks`)?.body, await served(`c/${issuer}/jwks`));
  s3.objects.clear();
  t.match(await publish(), { written: 4, verified: true }, 'a bucket that was emptied is seen, and filled');
});

t.test('a bucket that refuses: by name, with what to do; nothing half done', async (t) => {
  const { service, s3, publish, turnOn, run } = await openBucketWorld(t);
  await turnOn(TO);
  const refuses = async (fault: Fault, code: string, hint: RegExp) => {
    s3.fault = () => fault;
    t.match(await publish(), { code, hint }, JSON.stringify(fault));
  };
  await refuses({ status: 403, code: 'AccessDenied' }, 'bucket_refused', /s3:PutObject/);
  await refuses({ status: 404, code: 'NoSuchBucket' }, 'bucket_missing', /--to/);
  await refuses({ status: 301, code: 'PermanentRedirect' }, 'bucket_elsewhere', /AWS_REGION/);
  await refuses({ status: 400, code: 'AuthorizationHeaderMalformed' }, 'bucket_elsewhere', /AWS_REGION/);
  await refuses({ status: 403, code: 'ExpiredToken' }, 'credentials_refused', /clock/);
  await refuses({ status: 400, code: 'AccessControlListNotSupported' }, 'bucket_acl_refused', /\S/);
  await refuses({ status: 503, code: 'SlowDown' }, 'bucket_busy', /again/);
  await refuses({ status: 500, code: 'InternalError' }, 'bucket_failed', /again/);
  t.equal(s3.objects.size, 0);
  t.same(await service.database.db.selectFrom('placements').selectAll().execute(), [], 'nothing counts as placed');
  s3.fault = () => undefined;
  const elsewhere = await run(['publish', '--to', 's3://another']);
  t.match(JSON.parse(elsewhere.stderr), { error: { code: 'publishing_off' } });
  t.match(await publish(), { written: 2 });
});

t.test('a revoked key goes first, whatever else changed', async (t) => {
  const { service, s3, publish, turnOn, connect } = await openBucketWorld(t);
  await turnOn(TO);
  await publish();
  await connect('Acme');
  const ring = (await service.call('GET', '/v1/keys/platform')).body.items[0];
  const { kid } = ring.keys.find((key: { state: string }) => key.state === 'standby');
  t.equal((await service.call('POST', '/v1/keys/platform/revoke', { kid })).status, 200);
  s3.requests.length = 0;
  t.match(await publish(), { written: 3 });
  const [first] = s3.requests.filter((line) => line.startsWith('PUT'));
  t.equal(first, 'PUT documents/id/jwks', 'though every other issuer comes before it by name');
});

t.test('keys travel to a store in the clear nowhere but on this machine', async (t) => {
  const { run, turnOn } = await openPublishingWorld(t, { AWS_ENDPOINT_URL_S3: 'http://s3.example.com' });
  await turnOn(TO);
  const { stderr } = await run(['publish', '--to', TO]);
  t.match(JSON.parse(stderr), { error: { code: 'usage', detail: /AWS_ENDPOINT_URL_S3/ } });
});

t.test('half way refused: what is in place is on record, and is not written again', async (t) => {
  const { service, s3, publish, turnOn, connect } = await openBucketWorld(t);
  const { issuer } = await connect('Acme');
  await turnOn(TO);
  s3.fault = (method, key) =>
    method === 'PUT' && key === `id/c/${issuer}/jwks` ? { status: 403, code: 'AccessDenied' } : undefined;
  t.match(await publish(), { code: 'bucket_refused' });
  const { db } = service.database;
  const placed = await db.selectFrom('placed_documents').select(['issuer', 'document']).execute();
  t.notOk(
    placed.some((row) => row.issuer === issuer),
    'no discovery document without its JWKS',
  );
  s3.fault = () => undefined;
  const before = s3.requests.length;
  t.match(await publish(), { verified: true });
  t.equal(s3.objects.size, 4);
  const rewritten = s3.requests.slice(before).filter((line) => line === 'PUT documents/id/jwks');
  t.equal(rewritten.length, placed.some((row) => row.document === 'jwks') ? 0 : 1);
});

t.test('a connection that is cut after the write, or before it: the next try finds what stands there', async (t) => {
  const { s3, publish, turnOn, served } = await openBucketWorld(t);
  await turnOn(TO);
  const faults: Fault[] = ['cut_after', 'cut'];
  s3.fault = (method) => (method === 'PUT' ? faults.shift() : undefined);
  t.match(await publish(), { verified: true });
  t.equal(s3.objects.get('documents/id/jwks')?.body, await served('jwks'));
});

t.test('a store that does not answer is given up', async (t) => {
  const s3 = await startTestS3(t);
  s3.fault = () => 'silent';
  const bucket = createBucket({ bucket: 'documents', endpointUrl: s3.url, timeoutMs: 300 });
  t.teardown(() => bucket.close());
  await t.rejects(bucket.head('jwks'), { code: 'bucket_unreachable' });
  await t.rejects(bucket.put('jwks', { body: '{}', cacheControl: 'public, max-age=5' }, undefined), {
    code: 'bucket_unreachable',
  });
});

t.test('a store that does not look at what it replaces is refused: no pass is complete', async (t) => {
  const { s3, publish, turnOn, run } = await openBucketWorld(t);
  s3.conditional = false;
  await turnOn(TO);
  t.match(await publish(), { code: 'target_unconditional', hint: /If-Match/ });
  t.match((await run(['publishing', 'list'])).json(), { items: [{ passed_at: undefined }] });
});

t.test('a publisher that slept while another followed puts no old document over a newer one', async (t) => {
  const { service, s3, publish, turnOn, served } = await openBucketWorld(t);
  const id = await turnOn(TO);
  await publish();
  await service.call('POST', '/v1/keys/platform/rotate', { now: true });
  const rotated = await served('jwks');
  // The first falls asleep with its write on the way; its lease runs out.
  let wake = (): void => {};
  const asleep = new Promise<undefined>((resolve) => (wake = () => resolve(undefined)));
  const began = new Promise<void>((begin) => {
    s3.fault = (method, key) => {
      if (method !== 'PUT' || key !== 'id/jwks') return undefined;
      s3.fault = () => undefined;
      begin();
      return asleep;
    };
  });
  const first = publish();
  await began;
  const { db } = service.database;
  await db
    .updateTable('publishing_passes')
    .set({ leased_until: new Date(0) })
    .where('target', '=', id)
    .execute();
  // Meanwhile the new standby is revoked, and another publisher puts that in place.
  const ring = (await service.call('GET', '/v1/keys/platform')).body.items[0];
  const { kid } = ring.keys.find((key: { state: string }) => key.state === 'standby');
  t.equal((await service.call('POST', '/v1/keys/platform/revoke', { kid })).status, 200);
  t.match(await publish(), { written: 1 });
  const newer = await served('jwks');
  t.not(newer, rotated);
  t.equal(s3.objects.get('documents/id/jwks')?.body, newer);
  wake();
  t.match(await first, { code: 'publishing_lease_lost' });
  t.equal(s3.objects.get('documents/id/jwks')?.body, newer, 'the newer one stands');
  const withdrawn = await db.selectFrom('withdrawals').select('kid').execute();
  t.same(
    withdrawn.map((row) => row.kid),
    [kid],
  );
});

t.test('--watch puts in place what changes, waits while another publishes, and ends when told', async (t) => {
  const { service, s3, turnOn, run, served } = await openBucketWorld(t);
  const id = await turnOn(TO);
  const other = await service.call('POST', `/v1/publishing/targets/${id}/lease`, { holder: 'other' });
  let turn = 0;
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const sleep = async (): Promise<void> => {
    turn += 1;
    if (turn === 1) {
      t.equal(s3.objects.size, 0, 'another has the lease');
      const release = { holder: 'other', epoch: other.body.epoch, release: true };
      await service.call('POST', `/v1/publishing/targets/${id}/lease`, release);
    } else if (turn === 2) {
      t.equal(s3.objects.size, 2);
      await service.call('POST', '/v1/keys/platform/rotate', { now: true });
    } else {
      t.equal(s3.objects.get('documents/id/jwks')?.body, await served('jwks'));
      end();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  t.equal((await run(['publish', '--to', TO, '--watch'], { sleep, stopped: () => ended })).code, 0);
  const { items } = (await run(['publishing', 'list'])).json() as { items: { publisher?: string }[] };
  t.equal(items[0]?.publisher, undefined, 'the lease was given back');
});
