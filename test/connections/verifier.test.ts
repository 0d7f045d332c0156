// The polling worker on a stepped clock: its queue and leases, its bound, and what it writes down.
import t from 'tap';
import type { Timers } from '../../src/connections/verifier.ts';
import { leaseDue } from '../../src/connections/verification/store.ts';
import { degrade } from '../../src/connections/verification/suspect.ts';
import { denied } from './fake-cloud.ts';
import { openWorld } from './verifying.ts';

t.test('success: active, pinned, on record, and asked no more', async (t) => {
  const { api, cloud, at, waiting, show } = await openWorld(t);
  const { id, generation } = await waiting();
  const epoch = await api.epoch();
  t.equal(await at(1), 1);
  t.match(await show(id), {
    state: 'active',
    state_reason: '',
    generation: generation + 1,
    verification: null,
    aws: { role_id: 'AROAFIRST', verified_at: /Z$/ },
  });
  t.ok((await api.epoch()) > epoch);
  t.match(await api.records('connection.verified'), [
    {
      actor: 'system',
      connection: id,
      details: {
        state: 'active',
        was: 'verifying',
        role_id: 'AROAFIRST',
        kid: 'kid-1',
        jti: 'jti-1',
        access_key_id: 'ASIAVERIFY',
      },
    },
  ]);
  t.equal(await at(3600), 0);
  t.equal(cloud.assumed.length, 1);
  t.notMatch(await api.snapshot(), /secret-canary|token-1/);
});

t.test('patience: every 5 s, then slower, then pending again', async (t) => {
  const { api, cloud, at, waiting, show, moment } = await openWorld(t);
  cloud.answer = () => denied();
  const { id } = await waiting();
  const epoch = await api.epoch();
  t.equal(await at(1), 1);
  t.match(await show(id), {
    state: 'verifying',
    verification: {
      attempts: 1,
      last_code: 'AccessDenied',
      last_detail: /trust policy/,
      next_at: moment(6).toISOString(),
    },
  });
  t.equal(await at(5), 0, 'not before its time');
  t.equal(await at(6), 1);
  t.equal(await at(601), 1);
  t.match(await show(id), { verification: { attempts: 3, next_at: moment(631).toISOString() } });
  t.equal(await at(7300), 1);
  t.match(await show(id), { verification: { next_at: moment(7600).toISOString() } });
  t.equal(await api.epoch(), epoch, 'bookkeeping is no decision');
  t.equal(await at(7 * 86_400), 1);
  t.match(await show(id), { state: 'pending', state_reason: 'verification_expired', verification: null });
  t.ok((await api.epoch()) > epoch);
  t.equal(await at(8 * 86_400), 0);
  t.equal((await api.records('connection.verification_failed')).length, 4, 'each token and call is a row');
  t.match(await api.records('connection.verification_expired'), [
    { details: { code: 'AccessDenied', was: 'verifying' } },
  ]);
  await api.call('POST', `/v1/connections/${id}/verify`);
  t.match(await show(id), { state: 'verifying', verification: { attempts: 0 } }, 'and can be asked for again');
});

t.test('the role is created again: degraded until somebody accepts it', async (t) => {
  const { api, cloud, at, waiting, show } = await openWorld(t);
  const { id } = await waiting();
  await at(1);
  cloud.answer = () => 'AROASECOND';
  await api.call('POST', `/v1/connections/${id}/verify`);
  t.equal(await at(100), 1);
  t.match(await show(id), {
    state: 'degraded',
    state_reason: 'role_recreated',
    verification: null,
    aws: { role_id: 'AROAFIRST' },
  });
  t.match(await api.records('connection.degraded'), [
    { details: { role_id: 'AROASECOND', pinned_role_id: 'AROAFIRST', reason: 'role_recreated' } },
  ]);
  await api.call('POST', `/v1/connections/${id}/verify`);
  await at(200);
  t.match(await show(id), { state: 'degraded', aws: { role_id: 'AROAFIRST' } }, 'asking again is not accepting');
  await api.call('PATCH', `/v1/connections/${id}`, { state: 'active' });
  await at(300);
  t.match(await show(id), { state: 'active', state_reason: '', aws: { role_id: 'AROASECOND' } });
});

t.test('an answer that comes too late changes nothing', async (t) => {
  const { api, cloud, at, waiting, show } = await openWorld(t);
  for (const [change, expected] of [
    [(id: string) => api.call('DELETE', `/v1/connections/${id}`), 'disconnected'],
    [(id: string) => api.database.db.deleteFrom('verifications').where('connection', '=', id).execute(), 'verifying'],
    [
      (id: string) =>
        api.database.db
          .updateTable('verifications')
          .set({ leased_until: new Date(Date.now() + 3_600_000) })
          .where('connection', '=', id)
          .execute(),
      'verifying',
    ],
  ] as const) {
    const { id, generation } = await waiting();
    cloud.answer = async () => {
      await change(id);
      return 'AROAFIRST';
    };
    t.equal(await at(1), 1);
    const after = await show(id);
    t.match(after, { state: expected, aws: { role_id: null } });
    t.ok(after.generation <= generation + 1);
    t.match(
      (await api.records('connection.verification_late')).at(-1),
      { connection: id, details: { kid: 'kid-1' } },
      'but it is on record',
    );
    await api.database.db.deleteFrom('verifications').execute();
  }
});

t.test('paused and resumed meanwhile: the answer from before does not count', async (t) => {
  const { api, cloud, at, waiting, show } = await openWorld(t);
  const { id } = await waiting();
  await at(1);
  await api.call('POST', `/v1/connections/${id}/verify`);
  let asked = 0;
  // The role lets in the session that was asked for before the pause, and nobody afterwards.
  cloud.answer = async () => {
    asked += 1;
    if (asked === 1) {
      await api.call('PATCH', `/v1/connections/${id}`, { state: 'paused' });
      await api.call('PATCH', `/v1/connections/${id}`, { state: 'active' });
    }
    return asked <= 2 ? 'AROAFIRST' : denied();
  };
  await at(10);
  t.match(await show(id), { state: 'verifying', state_reason: 'resumed' });
});

t.test('asked something else meanwhile: the answer to what was asked before does not count', async (t) => {
  const { api, cloud, at, waiting, show } = await openWorld(t);
  const patch = (change: object) => (id: string) => api.call('PATCH', `/v1/connections/${id}`, change);
  const verify = (id: string) => api.call('POST', `/v1/connections/${id}/verify`);
  const suspect = async (id: string) => {
    const { generation } = await show(id);
    const found = { exchange: 'ex_1', reason: 'RoleMismatch', roleId: 'AROAOTHER' } as const;
    await degrade(api.act, { connection: id, generation, ...found });
  };
  const active = async (): Promise<string> => {
    const { id } = await waiting();
    await at(1);
    await verify(id);
    return id;
  };
  const degraded = async (): Promise<string> => {
    const id = await active();
    await suspect(id);
    return id;
  };
  for (const [what, prepare, change, looks] of [
    ['session tags', active, patch({ session_tags: true }), 2],
    ['a source identity', degraded, patch({ source_identity: true }), 2],
    ['session tags, not verified yet', async () => (await waiting()).id, patch({ session_tags: true }), 2],
    ['resumed', degraded, patch({ state: 'active' }), 2],
    ['another role answered', active, suspect, 2],
    ['the same question', active, verify, 1],
  ] as const) {
    cloud.answer = () => 'AROAFIRST';
    const id = await prepare();
    const before = cloud.assumed.length;
    let changed: Promise<unknown> | undefined;
    // The first look is let in, and nobody afterwards.
    cloud.answer = async () => {
      await (changed ??= change(id));
      return cloud.assumed.length === before + 1 ? 'AROAFIRST' : denied();
    };
    await at(1000);
    t.equal(cloud.assumed.length - before, looks, `${what}: looks`);
    t.equal((await show(id)).verification === null, looks === 1, `${what}: asked about until it is answered`);
    const late = (await api.records('connection.verification_late')).filter(({ connection }) => connection === id);
    t.equal(late.length, looks - 1, `${what}: on record`);
    await api.database.db.deleteFrom('verifications').execute();
  }
});

t.test('a verification is leased by one process at a time, and by another when that one died', async (t) => {
  const { api, at, waiting, moment } = await openWorld(t);
  const { id } = await waiting();
  const { db } = api.database;
  t.same(await leaseDue(db, { now: moment(1), until: moment(61), limit: 10 }), [id]);
  t.same(await leaseDue(db, { now: moment(2), until: moment(62), limit: 10 }), []);
  t.equal(await at(60), 0);
  t.equal(await at(61), 1, 'the lease has ended');
});

t.test('no more than the bound at once, and a slow one holds up nobody else', async (t) => {
  const { cloud, at, waiting, show } = await openWorld(t, { concurrency: 3 });
  const all = [];
  for (let n = 0; n < 8; n += 1) all.push(await waiting());
  let [now, most] = [0, 0];
  let release = (): void => {};
  const slow = new Promise<void>((resolve) => (release = resolve));
  const slowArn = all[0].aws.role_arn;
  cloud.answer = async (roleArn) => {
    now += 1;
    most = Math.max(most, now);
    if (roleArn === slowArn) await slow;
    else await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    return 'AROAFIRST';
  };
  const run = at(1);
  const others = all.slice(1);
  for (;;) {
    const states = await Promise.all(others.map(({ id }) => show(id)));
    if (states.every(({ state }) => state === 'active')) break;
    // The embedded database answers without ever letting a timer run.
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal((await show(all[0].id)).state, 'verifying', 'the slow one is still being asked about');
  release();
  t.equal(await run, 8);
  t.ok(most <= 3, `${most} at once`);
  t.equal((await show(all[0].id)).state, 'active');
});

t.test('late in a long backlog a lease lasts as long, and who is refused waits as long', async (t) => {
  const { api, cloud, step, at, moment, waiting } = await openWorld(t, { concurrency: 1 });
  await waiting();
  await waiting();
  const { db } = api.database;
  const leases: (Date | null)[] = [];
  cloud.answer = async () => {
    const leased = db.selectFrom('verifications').select('leased_until').where('leased_until', 'is not', null);
    leases.push(...(await leased.execute()).map((row) => row.leased_until));
    // The first answer takes longer than a lease.
    step(100);
    return denied();
  };
  t.equal(await at(1), 2);
  t.same(leases, [moment(61), moment(160)]);
  const rows = await db.selectFrom('verifications').select('next_at').execute();
  t.same(rows, [{ next_at: moment(105) }, { next_at: moment(105) }]);
});

t.test('a fault of our own is logged, and tried again when the lease ends', async (t) => {
  const { cloud, errors, at, waiting, show } = await openWorld(t);
  const { id } = await waiting();
  const { mintWebIdentityToken } = cloud;
  cloud.mintWebIdentityToken = async () => {
    throw new TypeError('a bug');
  };
  t.equal(await at(1), 1);
  t.match(errors, [{ connection: id, err: { message: 'a bug' } }]);
  cloud.mintWebIdentityToken = mintWebIdentityToken;
  t.equal(await at(30), 0);
  t.equal(await at(62), 1);
  t.equal((await show(id)).state, 'active');
});

t.test('it looks by itself, at once when woken, and not after it was stopped', async (t) => {
  const due: (() => void)[] = [];
  const timers: Timers = { setTimeout: (callback) => due.push(callback), clearTimeout: () => void (due.length = 0) };
  const { verifier, waiting, show, cloud } = await openWorld(t, { timers });
  const settled = async (done: () => boolean | Promise<boolean>): Promise<void> => {
    for (let turn = 0; turn < 2000 && !(await done()); turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  verifier.start();
  await settled(() => due.length === 1);
  const first = await waiting();
  due.splice(0).forEach((callback) => callback());
  await settled(async () => (await show(first.id)).state === 'active');
  t.equal((await show(first.id)).state, 'active');
  const second = await waiting();
  await settled(() => due.length === 1);
  verifier.wake();
  await settled(async () => (await show(second.id)).state === 'active');
  t.equal((await show(second.id)).state, 'active');
  await settled(() => due.length === 1);
  await verifier.stop();
  t.equal(due.length, 0);
  const third = await waiting();
  verifier.wake();
  await settled(() => false);
  t.equal((await show(third.id)).state, 'verifying');
  t.equal(cloud.assumed.length, 2);
});
