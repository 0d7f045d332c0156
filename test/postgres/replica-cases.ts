// What several replicas over one PostgreSQL promise, by whatever way they reach it: three processes, asked by turns and at once.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Test } from 'tap';
import { bumpEpoch } from '../../src/audit/store.ts';
import { connectPostgres, type Db } from '../../src/db/connect.ts';
import { createStack, startTestSandbox } from '../support/connect-account.ts';
import { startReplicas } from '../support/process.ts';
import { assertion, postToken, tokenForm } from '../support/service.ts';
import { PATIENCE_MS, until } from '../support/until.ts';

const ACCOUNT = '111122223333';

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** Three replicas, a sandbox, and one active connection; what they share lives as long as `t`. */
async function startHouse(t: Test, env: Record<string, string>) {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 5 });
  const house = await startReplicas(t, 3, { ...env, STS_ENDPOINT_URL: sandbox.url });
  const { callAt, replicas } = house;
  const [a, b, c] = replicas as [(typeof replicas)[0], (typeof replicas)[0], (typeof replicas)[0]];
  const created = await callAt(a, 'POST', '/v1/connections', {
    name: 'A customer',
    aws: { account_id: ACCOUNT, permission_set: 'read-only' },
  });
  const { id } = created.body;
  await createStack(sandbox, ACCOUNT, 'countersign', (await callAt(b, 'GET', `/v1/connections/${id}/template`)).body);
  await callAt(a, 'POST', `/v1/connections/${id}/verify`, {});
  const active = await callAt(c, 'GET', `/v1/connections/${id}?wait=active&timeout_seconds=30`);
  if (active.body.state !== 'active')
    throw new Error(`verified by one, not seen by another: ${JSON.stringify(active)}`);
  const database = connectPostgres({ url: env.DATABASE_URL as string, connectTimeoutMs: PATIENCE_MS });
  // A pooler takes none.
  database.omitStartupDeadlines?.();
  const { db, close } = database;
  t.teardown(close);
  return { ...house, a, b, c, db, id, path: `/v1/connections/${id}/credentials` };
}

async function countBlocked(db: Db): Promise<number> {
  const { rows } = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
  return rows.length;
}

type House = Awaited<ReturnType<typeof startHouse>>;

/** A workload of its own, with a grant for the connection. */
async function addWorkload({ a, callAt, id, path, issuerUrl }: House) {
  const { publicKey, privateKey } = newKey();
  const slug = `w${randomUUID().slice(0, 8)}`;
  const { body } = await callAt(a, 'POST', '/v1/workloads', { slug, keys: [publicKey.export({ format: 'jwk' })] });
  await callAt(a, 'POST', '/v1/grants', { workload: body.id, selector: { connection: id } });
  const client = { id: body.id as string, slug, kid: body.keys[0].kid as string, privateKey };
  const mintAt = async (url: string) =>
    postToken(url, tokenForm(await assertion(issuerUrl, client), `${issuerUrl}${path}`));
  return { client, mintAt };
}

export function replicaCases(t: Test, prepare: (t: Test) => Promise<Record<string, string>>): void {
  let house: House;
  t.before(async () => {
    house = await startHouse(t, await prepare(t));
  });

  t.test('minted at one, traded at the other; an assertion shown to all gives one token', async (t) => {
    const { a, b, c, callAt, path, issuerUrl } = house;
    const { client, mintAt } = await addWorkload(house);
    const minted = await mintAt(a.url);
    t.equal(minted.status, 200, JSON.stringify(minted.body));
    for (const other of [b, c])
      t.match(await callAt(other, 'GET', path, undefined, minted.body.access_token), {
        status: 200,
        body: { AccessKeyId: /^ASIA/ },
      });
    const form = tokenForm(await assertion(issuerUrl, client), `${issuerUrl}${path}`);
    const urls = [a.url, b.url, c.url];
    const answers = await Promise.all(
      Array.from({ length: 21 }, (_, index) => postToken(urls[index % 3] as string, form)),
    );
    t.equal(answers.filter((answer) => answer.status === 200).length, 1, 'replay decided across replicas');
  });

  t.test('rotated by three at once: one activation, signed and verified by all', async (t) => {
    const { a, b, c, callAt, path } = house;
    const { mintAt } = await addWorkload(house);
    const ring = async () => (await callAt(a, 'GET', '/v1/keys/platform')).body.items[0];
    const count = (found: { keys: { state: string }[] }, state: string): number =>
      found.keys.filter((key) => key.state === state).length;
    const before = await ring();
    const old = (await mintAt(b.url)).body.access_token;
    const rotations = await Promise.all(
      [a, b, c].map((replica) => callAt(replica, 'POST', '/v1/keys/platform/rotate', { now: true })),
    );
    for (const { status, body } of rotations)
      t.ok(status === 200 || (status === 409 && body.code === 'standby_unseasoned'), `${status} ${body.code ?? ''}`);
    t.ok(
      rotations.some(({ status }) => status === 200),
      'the standby was born with the ring: it may sign at once',
    );
    const after = await ring();
    t.equal(after.keys.length, before.keys.length + 1, 'one key more, whoever asked');
    t.same([count(after, 'active'), count(after, 'standby')], [1, 1]);
    for (const minter of [a, b, c]) {
      const fresh = (await mintAt(minter.url)).body.access_token;
      for (const replica of [a, b, c])
        for (const token of [old, fresh])
          t.match(await callAt(replica, 'GET', path, undefined, token), { status: 200 }, 'the old one as well');
    }
  });

  t.test('a connection made at one is known to the others at once', async (t) => {
    const { a, b, c, callAt } = house;
    for (let index = 0; index < 3; index += 1) {
      const { body } = await callAt(a, 'POST', '/v1/connections', {
        name: 'x',
        aws: { account_id: ACCOUNT, permission_set: 'read-only' },
      });
      for (const other of [b, c])
        t.match(
          await callAt(other, 'GET', `/c/${body.issuer.id}/jwks`),
          { status: 200, body: { keys: [{}, {}] } },
          'AWS asks seconds after a link is made',
        );
    }
  });

  t.test('an Idempotency-Key used at three at once makes one thing', async (t) => {
    const { replicas } = house;
    const tokens = await Promise.all(replicas.map((replica) => replica.hostToken()));
    const key = randomUUID();
    const slug = `i${randomUUID().slice(0, 8)}`;
    const body = JSON.stringify({ slug, keys: [newKey().publicKey.export({ format: 'jwk' })] });
    const answers = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const answer = await fetch(`${replicas[index % 3]?.url}/v1/workloads`, {
          method: 'POST',
          headers: {
            ...{ 'content-type': 'application/json', 'idempotency-key': key },
            authorization: `Bearer ${tokens[index % 3]}`,
          },
          body,
        });
        return { status: answer.status, body: (await answer.json()) as { id?: string } };
      }),
    );
    t.same([...new Set(answers.map(({ status }) => status))], [201]);
    t.equal(new Set(answers.map(({ body: { id } }) => id)).size, 1, 'the same answer to all');
  });

  t.test('a key added at one, and a workload resumed at one, are good at the others at once', async (t) => {
    const { a, b, callAt, issuerUrl, path } = house;
    const { client, mintAt } = await addWorkload(house);
    t.equal((await mintAt(b.url)).status, 200, 'remembered at b');
    const { publicKey, privateKey } = newKey();
    const added = await callAt(a, 'POST', `/v1/workloads/${client.id}/keys`, {
      jwk: publicKey.export({ format: 'jwk' }),
    });
    const renewed = { ...client, kid: added.body.kid, privateKey };
    const form = async (kid: boolean) =>
      tokenForm(await assertion(issuerUrl, renewed, {}, kid ? {} : { kid: undefined }), `${issuerUrl}${path}`);
    t.equal((await postToken(b.url, await form(true))).status, 200, 'by its kid');
    t.equal((await postToken(b.url, await form(false))).status, 200, 'without a kid');
    await callAt(a, 'PATCH', `/v1/workloads/${client.id}`, { state: 'suspended' });
    t.not((await mintAt(b.url)).status, 200);
    await callAt(a, 'PATCH', `/v1/workloads/${client.id}`, { state: 'active' });
    t.equal((await mintAt(b.url)).status, 200, 'what is remembered may only say yes');
  });

  t.test('what was decided before a suspension and is under way at its commit is handed out by none', async (t) => {
    const { replicas, callAt, path, db } = house;
    const { client, mintAt } = await addWorkload(house);
    const kept = await Promise.all(
      replicas.map(async (replica) => {
        const token = (await mintAt(replica.url)).body.access_token;
        t.equal((await callAt(replica, 'GET', path, undefined, token)).status, 200, 'it has a session of it');
        return { replica, token };
      }),
    );
    const given = async () =>
      (
        await db
          .selectFrom('audit')
          .select('kind')
          .where('kind', 'in', ['credentials.handed_out', 'token.minted'])
          .where('workload', '=', client.id)
          .execute()
      ).length;
    const before = await given();
    const [written, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const suspension = db.transaction().execute(async (trx) => {
      await trx.updateTable('workloads').set({ state: 'suspended' }).where('id', '=', client.id).execute();
      await bumpEpoch(trx);
      written.resolve();
      await commit.promise;
    });
    await Promise.race([written.promise, suspension]);
    // Nobody sees it yet: each decides that it may be given, and waits to put that on record.
    const asked = kept.flatMap(({ replica, token }) => [
      callAt(replica, 'GET', path, undefined, token),
      mintAt(replica.url),
    ]);
    t.ok(await until(async () => (await countBlocked(db)) >= replicas.length, 60_000), 'each replica waits for it');
    commit.resolve();
    await suspension;
    for (const { status, body } of await Promise.all(asked)) t.ok(status >= 400, `${status} ${JSON.stringify(body)}`);
    t.equal(await given(), before, 'nor is there a row of it');
  });

  t.test('a suspension is obeyed by all from its commit, under load', async (t) => {
    const { a, b, c, callAt, path, db } = house;
    const { client, mintAt } = await addWorkload(house);
    const token = (await mintAt(b.url)).body.access_token;
    let suspended = false;
    let stop = false;
    const wrong: string[] = [];
    let duration = 900;
    const kinds = ['token.minted', 'credentials.handed_out'] as const;
    const loops = kinds.flatMap((kind) =>
      [a, b, c].map((replica) => ({ replica, kind, given: 0, unsure: 0, answeredAfter: 0 })),
    );
    const load = loops.map(async (loop) => {
      for (let turn = 0; !stop; turn += 1) {
        const startedAfter = suspended;
        // A session that is kept, and ones that are fetched.
        const asked = turn % 3 === 0 ? `${path}?duration_seconds=${duration++}` : path;
        const { replica, kind } = loop;
        const { status, body } =
          kind === 'token.minted' ? await mintAt(replica.url) : await callAt(replica, 'GET', asked, undefined, token);
        if (status === 200) loop.given += 1;
        // The record may have been made, and the answer late on a busy machine.
        if (status === 503 && !startedAfter) loop.unsure += 1;
        if (startedAfter) loop.answeredAfter += 1;
        if (startedAfter && status < 300) wrong.push(`${status} after the commit`);
        if (!startedAfter && status >= 500 && status !== 503) wrong.push(JSON.stringify(body));
      }
    });
    const given = await until(() => loops.every((loop) => loop.given >= 5));
    const answer = await callAt(a, 'PATCH', `/v1/workloads/${client.id}`, { state: 'suspended' });
    suspended = true;
    t.equal(answer.status, 200);
    const refused = await until(() => loops.every((loop) => loop.answeredAfter >= 5));
    stop = true;
    await Promise.all(load);
    const counts = JSON.stringify(loops.map(({ replica: _, ...rest }) => rest));
    t.ok(given, `each was given some before: ${counts}`);
    t.ok(refused, `and answered after: ${counts}`);
    t.same(wrong, []);
    for (const kind of kinds) {
      const rows = await db
        .selectFrom('audit')
        .select('kind')
        .where('kind', '=', kind)
        .where('workload', '=', client.id)
        .execute();
      const of = loops.filter((loop) => loop.kind === kind);
      const sum = (what: 'given' | 'unsure') => of.reduce((total, loop) => total + loop[what], 0);
      // With the token of all these loops.
      const least = sum('given') + (kind === 'token.minted' ? 1 : 0);
      const most = least + sum('unsure');
      t.ok(rows.length >= least && rows.length <= most, `${rows.length} rows of ${kind}, of ${least} to ${most} given`);
    }
  });
}
