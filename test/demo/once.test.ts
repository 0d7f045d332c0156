// `npm run demo -- --once`, for real: the whole main job, its last line, its exit code, and nothing left behind.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isAlive, startDemo, temporaryFolder } from './demo-process.ts';

const lastLine = (text: string) => JSON.parse(text.trimEnd().split('\n').at(-1) ?? '');

t.test('every step holds', async (t) => {
  const demo = startDemo(t, ['--once']);
  const code = await demo.ended;
  const said = demo.said();
  if (code !== 0) t.comment(said);
  t.equal(code, 0);
  const outcome = lastLine(said);
  t.match(outcome, { ok: true, account_id: '111122223333' });
  t.match(
    outcome.assumed_role_arn,
    /^arn:aws:sts::111122223333:assumed-role\/countersign-[a-z2-7]{10}\/cost-report-[a-z2-7]{8}$/,
  );
  const names = outcome.steps.map((step: { name: string }) => step.name);
  t.equal(new Set(names).size, names.length, 'no two steps have one name');
  const wanted = [
    'register_connection',
    'create_stack',
    'become_active',
    'register_workload',
    'grant',
    'get_workload_token',
  ];
  wanted.push(
    'trade_for_credentials',
    'use_credentials',
    'rotate_platform_keys',
    'rotate_connection_keys',
    'use_credentials_again',
  );
  wanted.push('refuse_without_grant', 'refuse_sibling_token', 'refuse_edited_trust', 'read_audit', 'stop');
  t.same(
    wanted.filter((name) => !names.includes(name)),
    [],
  );
  t.ok(outcome.steps.every(({ ms }: { ms: number }) => Number.isInteger(ms) && ms >= 0));

  for (const refusal of [
    '400 invalid_target',
    '404 not_found',
    '401 invalid_token',
    '403 sts_refused',
    '409 standby_unseasoned',
  ]) {
    t.match(said, `refused: ${refusal}.`);
  }
  t.equal(said.match(/hint: /g)?.length, 5, 'each refusal with its hint');
  for (const time of ['A = 5 s', 'D = 5 s', 'R = 5 s', 'e = 1 s'])
    t.match(said, time, 'the times are scaled down, and it says so');
  for (const kind of [
    'connection.verified',
    'grant.created',
    'token.minted',
    'exchange.intent',
    'exchange.outcome',
    'key.rotated',
    'exchange.refused',
  ]) {
    t.match(said, new RegExp(`^  [\\d:.]{12}  ${kind} `, 'm'), 'the audit rows');
  }
  t.notMatch(said, /\u001b|\r/, 'plain text off a terminal');
  t.notMatch(said, /eyJ[\w-]{20}|SecretAccessKey/, 'no token and no secret');
  t.notOk(isAlive(demo.servicePid()), 'the service has ended');
  t.same(demo.leftovers(), []);
});

t.test('a step that fails ends it with 1, and says which', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'thesis.txt'), 'mine');
  const demo = startDemo(t, ['--once', '--data-dir', folder]);
  t.equal(await demo.ended, 1);
  const { steps, ...ended } = lastLine(demo.said());
  t.match(ended, { ok: false, failed: 'make_folders', error: /is not empty.*new folder/ });
  t.same(steps, []);
  t.same(demo.leftovers(), []);
});

t.test('a service that cannot start is named with what it said', async (t) => {
  // Unix sockets take 103 bytes.
  const long = join(temporaryFolder(t), 'long'.repeat(20));
  mkdirSync(long);
  const demo = startDemo(t, ['--once'], { TMPDIR: long });
  t.equal(await demo.ended, 1);
  t.match(lastLine(demo.said()), {
    ok: false,
    failed: 'start_service',
    error: /SOCKET_PATH/,
    steps: [{ name: 'make_folders' }, { name: 'start_sandbox' }],
  });
  t.same(readdirSync(long), []);
});

t.test('what it does not know, it does not start with', async (t) => {
  const demo = startDemo(t, ['--twice']);
  t.equal(await demo.ended, 2);
  t.match(demo.said(), /--twice[^]*--once/);
  const help = startDemo(t, ['--help']);
  t.equal(await help.ended, 0);
  t.match(help.said(), '--data-dir');
});
