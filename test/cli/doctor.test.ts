// `countersign doctor`: against the service itself and against faults, with every identity and with none.
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { checkClock, checkReadiness } from '../../src/cli/doctor/service.ts';
import type { Api } from '../../src/cli/api.ts';
import { checkRings, listSomeRings } from '../../src/cli/doctor/keys.ts';
import type { Report } from '../../src/cli/doctor/findings.ts';
import { checkOwnLook, checkSeal, type Standing } from '../../src/cli/doctor/standing.ts';
import { runChecks } from '../../src/cli/doctor/run.ts';
import { registerClient, startTestService, tempDir } from '../support/service.ts';
import { cli, listen, sendReply, startStandIn } from './stand-in.ts';

/** What a busy machine is told of itself. */
const OF_THE_MOMENT = /took \d+ ms|does not answer\.|not answer within|no whole answer/;

/** Where a machine is too busy that is a finding of its own: then it is asked again. */
async function doctor(argv: string[], env: Record<string, string | undefined>) {
  for (const end = performance.now() + 120_000; ; await delay(200)) {
    const ended = await cli(['doctor', '--json', ...argv], env, { now: Date.now });
    const report = (ended.stdout === '' ? { findings: [], not_looked_at: [] } : ended.json()) as Report;
    const of = (...codes: string[]) => report.findings.filter(({ code }) => codes.includes(code));
    const passing = report.findings.some(({ severity, detail }) => severity !== 'ok' && OF_THE_MOMENT.test(detail));
    if (!passing || performance.now() > end)
      return { ...ended, report, of, unseen: report.not_looked_at.map(({ code }) => code) };
  }
}

async function serve(t: Test, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await listen(t, server, 0);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function until(condition: () => Promise<boolean>, ms = 20_000): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await delay(50)) if (await condition()) return true;
  return false;
}

t.test('on the host, all is well: everything looked at, code 0', async (t) => {
  const service = await startTestService(t);
  const aws = { account_id: '123456789012', permission_set: 'read-only' };
  t.equal((await service.call('POST', '/v1/connections', { name: 'Acme', aws })).status, 201);
  const { body: template } = await service.call('GET', '/v1/template');
  const looked = async () => (await service.call('GET', '/v1/service')).body.documents !== undefined;
  t.ok(await until(looked), 'it has looked at itself');
  const published = await serve(t, (_request, response) => sendReply(response, { body: template as string }));
  const env = {
    ISSUER_URL: service.url,
    SOCKET_PATH: service.config.socketPath,
    KEY_ENCRYPTION_KEY_FILE: (service.config.keks[0] as { file: string }).file,
    TEMPLATE_URL: `${published}/countersign.yaml`,
  };
  const { code, stderr, report, of, unseen } = await doctor([], env);
  t.same(
    report.findings.filter(({ severity }) => severity !== 'ok'),
    [],
  );
  t.equal(code, 0, stderr);
  t.equal(report.status, 'ok');
  t.same(unseen, []);
  const issuers = of('issuer_reached').map(({ subject }) => subject);
  t.equal(issuers.length, 2, 'the platform issuer and that of the connection');
  t.equal(issuers[0], service.url);
  t.match(issuers[1], new RegExp(`^${service.url}/c/is_[a-z2-7]{26}$`));
  for (const found of ['token', 'service_reached', 'ready_documents', 'ready_tokens', 'ready_broker', 'ready_admin'])
    t.equal(of(found).length, 1, found);
  for (const found of [
    'clock',
    'keys',
    'key_policy',
    'kek',
    'seal',
    'self_check',
    'template',
    'configuration',
    'kek_file',
  ])
    t.equal(of(found).length, 1, found);
  const text = await cli(['doctor'], env);
  t.match(text.stdout, /^ok {7}The API answers, and takes you for host/m);

  await t.test('another template, and a key that everybody can read: what to do, and code 1', async (t) => {
    const file = join(tempDir(t), 'kek');
    writeFileSync(file, 'x');
    chmodSync(file, 0o644);
    const other = await serve(t, (_request, response) => sendReply(response, { body: 'another' }));
    const found = await doctor(['--template-url', other], { ...env, KEY_ENCRYPTION_KEY_FILE: file });
    t.equal(found.code, 1);
    t.match(found.of('template'), [{ severity: 'warning', hint: /countersign connection template/ }]);
    t.match(found.of('kek_file'), [{ severity: 'failure', hint: `chmod 600 ${file}` }]);
    t.equal(found.report.findings[0]?.severity, 'failure', 'the worst first');
    t.match(JSON.parse(found.stderr), { error: { code: 'doctor_failures', detail: '1 failures, 1 warnings.' } });
    const warned = await doctor(['--template-url', other], env);
    t.equal(warned.code, 5, 'warnings alone');
  });

  await t.test('the environment has problems: each is a finding, and the rest is looked at', async (t) => {
    const found = await doctor([], { ...env, LOG_LEVEL: 'loud', PORT: 'none' });
    t.equal(found.code, 1);
    t.match(
      found.of('configuration').map(({ detail }) => detail.split(' ')[0]),
      ['PORT', 'LOG_LEVEL'],
    );
    t.equal(found.of('ready_tokens')[0]?.severity, 'ok');
  });

  await t.test('from elsewhere, with a URL and nothing that says who asks', async (t) => {
    const found = await doctor([], { COUNTERSIGN_URL: service.url });
    t.equal(found.code, 0, found.stderr);
    t.same(found.unseen, ['api', 'template', 'host']);
    t.same(
      found.of('issuer_reached').map(({ subject }) => subject),
      [service.url],
    );
    t.equal(found.of('ready_tokens').length, 1);
  });

  await t.test('a client without keys:read: what it may not see is no fault', async (t) => {
    const client = await registerClient(service, { slug: 'watch' });
    const key = join(tempDir(t), 'watch.pem');
    writeFileSync(key, client.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    const found = await doctor([], {
      COUNTERSIGN_URL: service.url,
      COUNTERSIGN_CLIENT_ID: client.id,
      COUNTERSIGN_PRIVATE_KEY_FILE: key,
    });
    t.equal(found.code, 0, found.stderr);
    t.match(found.of('token'), [{ detail: new RegExp(client.id) }]);
    t.same(found.unseen, ['template', 'host', 'keys', 'key_policy', 'kek', 'seal', 'self_check']);
  });

  await t.test('sealed: who, why, and how to lift it; and as before when it is lifted', async (t) => {
    const because = { 'countersign-reason': 'a%20key%20is%20burnt' };
    t.equal((await service.call('POST', '/v1/service/seal', undefined, { headers: because })).status, 200);
    const found = await doctor([], env);
    t.equal(found.code, 1);
    t.match(found.of('seal'), [
      {
        severity: 'failure',
        detail: /^The service is sealed since \d{4}-\S+Z by host \(test\): .* a key is burnt$/,
        hint: /countersign unseal --reason/,
      },
    ]);
    t.equal(found.of('ready_tokens')[0]?.severity, 'failure');
    t.equal((await service.call('POST', '/v1/service/unseal', undefined, { headers: because })).status, 200);
    t.match((await doctor([], env)).of('seal'), [{ severity: 'ok' }]);
  });

  await t.test('the service is gone: said by each check, code 1', async (t) => {
    await service.close();
    const found = await doctor([], env);
    t.equal(found.code, 1);
    t.match(found.of('service_reached'), [{ severity: 'failure', hint: /Is the service running/ }]);
    t.match(found.of('issuer_connection_refused'), [{ severity: 'failure', subject: /well-known/ }]);
    t.match(found.of('token'), [{ severity: 'failure' }]);
    t.match(found.of('configuration'), [{ severity: 'ok' }]);
  });
});

t.test('from outside alone: an issuer that AWS would refuse, by name', async (t) => {
  const url = await serve(t, (request, response) =>
    sendReply(
      response,
      request.url === '/jwks'
        ? { status: 302, headers: { location: 'http://127.0.0.1:9' }, body: '' }
        : { body: { issuer: 'https://other.example.com' } },
    ),
  );
  const found = await doctor(['--issuer', url], { DATA_DIR: '/nonexistent' });
  t.equal(found.code, 1);
  for (const code of ['issuer_issuer_mismatch', 'issuer_redirected', 'issuer_metadata_missing'])
    t.match(found.of(code)[0], { severity: 'failure', subject: new RegExp(url), hint: /\w+/ }, code);
  t.same(found.unseen, ['service', 'api', 'template', 'host']);
});

t.test('nothing to look at, and half of an identity, are wrong usage', async (t) => {
  t.match(await doctor([], { DATA_DIR: '/nonexistent' }), { code: 2, stderr: /COUNTERSIGN_URL.*--issuer/ });
  t.match(await doctor([], { COUNTERSIGN_URL: 'https://127.0.0.1:1', COUNTERSIGN_CLIENT_ID: 'wl_x' }), {
    code: 2,
    stderr: /COUNTERSIGN_PRIVATE_KEY_FILE is not/,
  });
});

t.test('a check that hangs or throws takes nothing from the others', async (t) => {
  const { findings } = await runChecks(
    [
      { code: 'hangs', look: () => new Promise(() => {}) },
      { code: 'throws', look: () => Promise.reject(new Error('no')) },
      { code: 'fine', look: async () => [{ code: 'fine', severity: 'ok', detail: 'Fine.' }] },
    ],
    50,
  );
  t.match(findings, [
    { code: 'hangs', severity: 'failure', detail: /no result within 0.05 s/ },
    { code: 'throws', severity: 'failure', detail: 'no' },
    { code: 'fine', severity: 'ok' },
  ]);
});

t.test('what is not ready says why', async (t) => {
  const { url } = await startStandIn(t, {
    'GET /readyz': { status: 503, body: { status: 'not ready', reason: 'the service is sealed' } },
  });
  const { findings } = await runChecks(checkReadiness(url));
  t.equal(findings.length, 4);
  for (const finding of findings)
    t.match(finding, { severity: 'failure', detail: /^Not ready for \w+: the service is sealed\.$/ });
});

t.test('what the service saw of its own documents: faults by name, a look that is old, and none', async (t) => {
  const now = Date.parse('2026-11-26T12:00:00Z');
  const look = async (documents?: Partial<Standing['documents']>) => {
    const whole = documents && {
      ...{ checked_at: '2026-11-26T11:59:30.000Z', reached: true, took_ms: 12, findings: [] },
      ...documents,
    };
    const standing = { sealed: false, ...(whole ? { documents: whole } : {}) };
    return await checkOwnLook(
      async () => standing,
      () => now,
    ).look();
  };
  t.match(await look({}), [{ code: 'self_check', severity: 'ok', detail: /in 12 ms/ }]);
  const fault = { url: 'https://id.example.com/jwks', detail: 'It redirects.', hint: 'Answer at this very URL.' };
  t.match(
    await look({
      reached: false,
      findings: [
        { code: 'redirected', severity: 'error', ...fault },
        { code: 'slow', severity: 'warning', ...fault },
      ],
    }),
    [
      {
        code: 'self_check_redirected',
        severity: 'failure',
        subject: fault.url,
        detail: /It redirects/,
        hint: fault.hint,
      },
      { code: 'self_check_slow', severity: 'warning' },
    ],
  );
  t.match(await look({ checked_at: '2026-11-26T11:54:00.000Z' }), [
    { code: 'self_check', severity: 'warning', detail: /11:54/, hint: /each minute/ },
  ]);
  t.match(await look(), [{ code: 'self_check', severity: 'warning', hint: /ask again/ }]);
});

t.test('a service that does not tell of its seal is a failure, not an all-clear', async (t) => {
  const { findings } = await runChecks([checkSeal(() => Promise.reject(new Error('no answer')))]);
  t.match(findings, [{ code: 'seal', severity: 'failure', detail: 'no answer' }]);
});

t.test('clocks that are apart', async (t) => {
  const { url } = await startStandIn(t, { 'GET /livez': { body: {} } });
  const look = async (offset: number) => (await checkClock(url, () => Date.now() + offset).look())[0];
  t.match(await look(0), { severity: 'ok' });
  t.match(await look(10_000), { severity: 'warning', detail: /1[0-9] s behind|9 s behind/ });
  t.match(await look(-90_000), { severity: 'failure', detail: /ahead of/ });
});

t.test('rings that are retired are passed over, however many of them come first', async (t) => {
  const ring = (issuer: string, more: object = {}) => ({
    issuer,
    issuer_url: `https://id.example.com/${issuer}`,
    keys: [],
    ...more,
  });
  const pages: Record<string, object> = {
    '': { items: Array.from({ length: 200 }, (_, n) => ring(`is_${n}`, { retired: true })), next_cursor: 'second' },
    second: { items: [ring('is_living')] },
  };
  const get = async (path: string, query: { cursor?: string } = {}) =>
    path === '/v1/keys/platform' ? { items: [ring('platform')] } : pages[query.cursor ?? ''];
  const seen = await listSomeRings({ get } as unknown as Api);
  t.same(
    seen.map(({ issuer }) => issuer),
    ['platform', 'is_living'],
  );
});

t.test('keys: a rotation that is overdue, one on hold, a ring without a standby', async (t) => {
  const now = Date.parse('2026-11-26T12:00:00Z');
  const keys = [
    { kid: 'a', state: 'active' },
    { kid: 'b', state: 'standby' },
  ];
  const judge = async (ring: object) => {
    const [finding] = await checkRings(
      async () => [{ issuer: 'platform', issuer_url: 'https://id.example.com', keys, ...ring }],
      () => now,
    ).look();
    return finding;
  };
  t.match(await judge({ next_rotation_at: '2026-11-26T11:50:00Z' }), { code: 'keys', severity: 'ok' });
  t.match(await judge({ next_rotation_at: '2026-11-26T11:40:00Z' }), { code: 'key_rotation_overdue' });
  t.match(await judge({ next_rotation_at: '2026-11-26T11:40:00Z', held_until: '2026-11-27T00:00:00Z' }), {
    code: 'key_rotation_held',
    severity: 'warning',
  });
  t.match(await judge({ keys: keys.slice(0, 1) }), { code: 'key_standby_missing', severity: 'failure' });
  t.match(await judge({ keys: keys.slice(1) }), { code: 'key_active_missing', severity: 'failure' });
});
