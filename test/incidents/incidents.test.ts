// Incidents against the real service and the sandbox: what is reported is what was done, and the policy ends the sessions.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import t from 'tap';
import type { Report } from '../../src/cli/incident/report.ts';
import { writeKek } from '../support/process.ts';
import { until } from '../support/until.ts';
import { cli } from '../cli/stand-in.ts';
import { openIncidentWorld } from './world.ts';

const SINCE = ['--since', '1h'];
const stateOf = (ring: { keys: { kid: string; state: string }[] }, kid: string) =>
  ring.keys.find((key) => key.kid === kid)?.state;

t.test('the key of a connection', async (t) => {
  const world = await openIncidentWorld(t);
  const { connection, workload, service } = world;
  const token = await world.token();
  const [first, second] = [await world.exchange(token), await world.exchange(token)];
  t.same([first.status, await world.use(first.session)], [200, 'ok']);
  const issuer = connection.issuer.id;
  const before = await world.ring(issuer);
  const kid = before.keys.find((key) => key.state === 'active')?.kid ?? '';

  const asked = ['connection-key', 'acme', ...SINCE, '--incident', 'INC-7'];
  t.match(
    await world.incident(...asked, '--yes'),
    { code: 2, stderr: new RegExp(`${kid} \\(active\\)`) },
    'it says which keys there are',
  );
  t.match(await world.incident(...asked, '--kid', kid), { code: 2, stderr: /nobody is at a terminal/ });
  const dry = (await world.incident(...asked, '--kid', kid, '--dry-run')).json() as Report;
  t.match(dry, {
    dry_run: true,
    steps: [{ title: new RegExp(kid), at: undefined }],
    facts: { connections: [{ sessions: 1 }] },
  });
  t.same(await world.ring(issuer), before, 'and nothing was done');

  const out = mkdtempSync(join(tmpdir(), 'cs-incident-'));
  t.teardown(() => rmSync(out, { recursive: true, force: true }));
  const ended = await world.incident(...asked, '--kid', kid, '--yes', '--out', out);
  t.equal(ended.code, 0, ended.stderr);
  const report = ended.json() as Report;
  t.equal(stateOf(await world.ring(issuer), kid), 'revoked');
  t.match(report, {
    ...{ id: 'INC-7', kind: 'connection-key', dry_run: false, outage: undefined },
    steps: [{ what: `revoked ${kid}.`, kids: [kid], forgeries_until: String }],
    contained_at: report.steps[0]?.at,
    notices: [{ connection: connection.id, account_id: connection.aws.account_id }],
  });
  const live = [first, second].map(({ session }) => session.Expiration.replace('Z', '.000Z')).sort();
  t.match(report.facts?.connections, [
    {
      ...{ connection: connection.id, exchanges: 1, sessions: 1, may_live: 1, may_live_until: live[1] },
      ...{ workloads: { [workload.id]: 1 }, kids: [kid], session_names: [`billing-${workload.id.slice(3, 11)}`] },
    },
  ]);
  t.same(
    report.facts?.connections[0]?.access_key_ids.toSorted(),
    [...new Set([first, second].map(({ session }) => session.AccessKeyId))].sort(),
  );
  t.same(readdirSync(out).sort(), ['INC-7-' + connection.id + '.md', 'INC-7.json', 'INC-7.md']);
  t.strictSame(JSON.parse(readFileSync(join(out, 'INC-7.json'), 'utf8')), report);
  const letter = readFileSync(join(out, `INC-7-${connection.id}.md`), 'utf8');
  for (const needed of [first.session.AccessKeyId, 'aws:TokenIssueTime', connection.subject, connection.aws.role_arn])
    t.ok(letter.includes(needed), needed);
  for (const text of [letter, ended.stdout, readFileSync(join(out, 'INC-7.md'), 'utf8')])
    for (const secret of [first.session.SecretAccessKey, first.session.Token, token]) t.notOk(text.includes(secret));

  // AWS tells issue times in whole seconds.
  await sleep(Math.max(0, Date.parse(report.notices[0]?.issued_before ?? '') - Date.now()));
  await world.attach(report);
  t.match(await world.use(first.session), /explicit deny/, 'a session from before is denied');
  for (const state of ['paused', 'active'])
    t.equal((await service.call('PATCH', `/v1/connections/${connection.id}`, { state })).status, 200);
  const isActive = async () => (await service.call('GET', `/v1/connections/${connection.id}`)).body.state === 'active';
  t.ok(await until(isActive));
  const after = await world.exchange(await world.token());
  t.same([after.status, await world.use(after.session)], [200, 'ok'], 'one from after, by the next key, is not');

  const { body } = await service.call('GET', `/v1/audit?kind=key.revoked`);
  t.match(body.items, [{ actor: 'host', details: { kid, reason: 'INC-7: seen in a paste' } }]);
  const again = (await world.incident(...asked, '--kid', kid, '--yes')).json() as Report;
  t.match(again, { steps: [{ what: new RegExp(`${kid} was revoked at`) }] });
  t.ok(again.proved || again.contained_at === report.contained_at);
  t.match(
    again.facts?.connections,
    [{ sessions: 1, other_access_key_ids: [after.session.AccessKeyId] }],
    'what the next key signed is not of this incident',
  );
  t.equal(
    (await service.call('GET', `/v1/audit?kind=key.revoked`)).body.items.length,
    1,
    'and nothing was revoked again',
  );
});

t.test("a workload's key, a session, the platform's key", async (t) => {
  const world = await openIncidentWorld(t);
  const { connection, workload, service } = world;
  const token = await world.token();
  const { session } = await world.exchange(token);

  const found = (await world.incident('session', session.AccessKeyId, '--yes')).json() as Report;
  t.match(found, {
    leaked: [new RegExp(`${session.AccessKeyId}.*${connection.id}`), /AROA/],
    facts: { connections: [{ exchanges: 1, may_live: 1, access_key_ids: [session.AccessKeyId] }] },
    deny_policy: { Statement: [{ Condition: { StringEquals: { 'aws:userid': /^AROA.*:billing-/ } } }] },
  });
  await sleep(Math.max(0, Date.parse(found.notices[0]?.issued_before ?? '') - Date.now()));
  await world.attach(found);
  t.match(await world.use(session), /explicit deny/);
  t.match(await world.incident('session', 'ASIANOTOURS', '--yes'), { code: 1, stderr: /session_not_found/ });

  const kids = (await service.call('GET', `/v1/workloads/${workload.id}`)).body.keys as { kid: string }[];
  const asked = ['workload-key', 'billing', ...SINCE, '--kid', kids[0]?.kid ?? '', '--yes'];
  const used = (await world.incident(...asked)).json() as Report;
  t.match(used, {
    steps: [{ what: 'billing is suspended.' }],
    facts: {
      tokens: { count: 1, workloads: { [workload.id]: 1 }, may_live_until: String },
      connections: [{ connection: connection.id, sessions: 1, access_key_ids: [session.AccessKeyId] }],
    },
  });
  t.same(used.facts?.forged, []);
  t.equal(
    used.facts?.tokens.may_live_until,
    new Date(Date.parse(used.facts?.tokens.last_at ?? '') + 900_000).toISOString(),
  );
  t.equal((await world.exchange(token)).status, 403, 'suspended');
  t.match((await world.incident(...asked)).json(), { steps: [{ what: 'billing was suspended before.' }] });
  const another = ['workload-key', 'billing', ...SINCE, '--kid', 'another', '--remove', '--dry-run'];
  const { facts: nothing } = (await world.incident(...another)).json() as Report;
  t.same([nothing?.tokens.count, nothing?.connections], [0, []], 'another key got nothing');
  await service.call('PATCH', `/v1/workloads/${workload.id}`, { state: 'active' });

  // A token of which there is no record, as whoever has the platform's key could make: here the record is what is missing.
  const forged = await world.token();
  t.equal((await world.exchange(forged)).status, 200);
  const { jti } = decodeJwt(forged);
  await service.database.db
    .deleteFrom('audit')
    .where('kind', '=', 'token.minted')
    .where('row', 'like', `%${jti}%`)
    .execute();

  const platform = await world.ring('platform');
  const kid = platform.keys.find((key) => key.state === 'active')?.kid ?? '';
  const all = ['platform-key', '--all-burnt', ...SINCE];
  t.match(
    await world.incident(...all, '--yes'),
    { code: 2, stderr: /services of yours.*until 2/ },
    'the outage is said before',
  );
  t.same(await world.ring('platform'), platform);
  const begun = new Date().toISOString();
  const ended = await world.incident(...all, '--before', begun, '--yes', '--accept-outage');
  t.equal(ended.code, 0, ended.stderr);
  const report = ended.json() as Report;
  t.match(report, {
    steps: [{ kids: { length: 2 }, outage_until: String }],
    facts: { forged: [{ token_jti: jti, connection: connection.id }], connections: [{ hand_outs: 2 }] },
  });
  t.ok((report.facts?.tokens.workloads['host'] ?? 0) > 0, 'tokens of the host are by this key, too');
  t.equal(stateOf(await world.ring('platform'), kid), 'revoked');
  t.equal((await world.exchange(forged)).status, 401, 'what it signed is dead');
  const resumed = (await world.incident(...all, '--before', begun, '--yes', '--accept-outage')).json() as Report;
  t.match(resumed, { steps: [{ what: 'platform:ES256 was done before.' }] });
  t.same(resumed.steps[0]?.kids, []);
});

t.test('the key-encryption key, and a dump', async (t) => {
  const [old, next] = [writeKek(t), writeKek(t)];
  const world = await openIncidentWorld(t, { KEY_ENCRYPTION_KEY_FILE: old, KEY_ENCRYPTION_KEYS: next });
  const { connection, service } = world;
  const token = await world.token();
  await world.exchange(token);
  const dump = (await world.incident('database-dump', ...SINCE, '--yes')).json() as Report;
  t.match(dump, { leaked: [/ciphertext/, /no token/, /not with it/], facts: undefined });
  t.same([dump.steps, dump.notices], [[], []]);
  const issuers = ['platform', connection.issuer.id];
  const before = await Promise.all(issuers.map(world.ring));
  t.match(
    await world.incident('kek', ...SINCE, '--yes'),
    { code: 2, stderr: /--to.*\(wraps\)/s },
    'it is never guessed',
  );
  const keks = (await service.call('GET', '/v1/kek')).body.keks as { id: string; wraps: boolean }[];
  const to = keks.find(({ wraps }) => !wraps)?.id ?? '';
  const asked = ['kek', ...SINCE, '--to', to, '--before', new Date().toISOString()];
  t.match(await world.incident(...asked, '--yes'), { code: 2, stderr: /--accept-outage/ });
  const ended = await world.incident(...asked, '--yes', '--accept-outage', '--seal');
  t.equal(ended.code, 0, ended.stderr);
  const report = ended.json() as Report;
  t.match(report.steps, [
    { what: 'Sealed.' },
    { what: new RegExp(to) },
    { what: '2 rings: 4 keys revoked in this run.', kids: { length: 4 } },
  ]);
  t.match(report, { notices: [{ connection: connection.id }], facts: { connections: [{ sessions: 1 }] } });
  t.same(report.facts?.forged, []);
  for (const [nth, issuer] of issuers.entries()) {
    const ring = await world.ring(issuer);
    for (const { kid } of before[nth]?.keys ?? []) t.equal(stateOf(ring, kid), 'revoked');
    t.equal(ring.keys.filter(({ state }) => state === 'active' || state === 'standby').length, 2);
  }
  const wrapped = await service.database.db.selectFrom('private_keys').select('kek').distinct().execute();
  t.same(wrapped, [{ kek: to }], 'fresh keys are not under the one that leaked');
  const host = { token: await service.hostToken() };
  t.match((await service.call('GET', '/v1/service', undefined, host)).body, { sealed: true });
  t.match((await world.incident(...asked, '--yes', '--accept-outage')).json(), {
    steps: [{ what: new RegExp(to) }, { what: '2 rings: 0 keys revoked in this run.' }],
  });
  t.equal((await service.call('POST', '/v1/service/unseal', undefined, host)).status, 200);
  const { status, session } = await world.exchange(await world.token());
  t.same([status, await world.use(session)], [200, 'ok'], 'the fresh keys work: this verifier reads anew');
});

t.test('asked at a terminal: the steps, and the id typed', async (t) => {
  const world = await openIncidentWorld(t);
  const kid = (await world.ring('platform')).keys.find((key) => key.state === 'active')?.kid ?? '';
  const argv = ['incident', 'platform-key', '--kid', kid, ...SINCE, '--incident', 'INC-9', '--reason', 'drill'];
  const questions: string[] = [];
  const answer = (text: string) => ({
    ask: async (question: string) => {
      questions.push(question);
      return text;
    },
  });
  const refused = await cli(argv, world.host, answer('yes'));
  t.match(refused, { code: 2, stdout: '' });
  t.match(refused.stderr, /What will be done:\n {2}1\. Revoke .*\n.*\n.*A \+ D \+ e = 5 \+ 30 \+ 1 = 36 s/);
  const done = await cli(argv, world.host, answer('INC-9'));
  t.match(done, { code: 0, stdout: /^# INC-9: platform-key\n[^]*## What was done\n\n1\. 2[^]*revoked/ });
  t.match(questions, ['Do this? Type INC-9 to go on: ', 'Do this? Type INC-9 to go on: ']);
  for (const wrong of [
    ['--since', '2999-01-01'],
    ['--since', '1h', '--incident', 'no spaces'],
    ['--since', '1h', '--out', '/dev/null/x'],
  ])
    t.not(
      (await cli(['incident', 'platform-key', '--kid', kid, ...wrong, '--reason', 'x', '--yes'], world.host)).code,
      0,
    );
  t.equal((await cli(['incident', 'platform-key', '--kid', kid, '--reason', 'x'], world.host)).code, 2, 'since when?');
  t.equal((await cli(['incident', 'platform-key', '--kid', kid, ...SINCE], world.host)).code, 2, 'why?');
});
