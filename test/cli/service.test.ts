// The command against the service itself: from an empty registry, by the socket, to a workload that asks for credentials.
import { join } from 'node:path';
import t from 'tap';
import { startTestService, tempDir } from '../support/service.ts';
import { cli, type Ended, REAL_TIME } from './stand-in.ts';

type Members = Record<string, unknown>;

t.test('the whole of it, by the command alone', async (t) => {
  const service = await startTestService(t);
  const folder = tempDir(t);
  const host = { SOCKET_PATH: service.config.socketPath, USER: 'root', SUDO_USER: 'ana' };
  const as = (id: unknown, file: string): Record<string, string> => ({
    ...{
      COUNTERSIGN_URL: service.url,
      COUNTERSIGN_CLIENT_ID: String(id),
      COUNTERSIGN_PRIVATE_KEY_FILE: join(folder, file),
    },
  });
  const done = async (env: Record<string, string>, ...argv: string[]): Promise<Members> => {
    const ended = await cli([...argv, '--json'], env, REAL_TIME);
    t.equal(ended.code, 0, `${argv.slice(0, 3).join(' ')}: ${ended.stderr}`);
    return (ended.code === 0 ? ended.json() : {}) as Members;
  };
  const text = async (env: Record<string, string>, ...argv: string[]): Promise<Ended> =>
    await cli(argv, env, REAL_TIME);
  const why = ['--reason', 'für den Test'];

  t.match(await done(host, 'whoami'), { kind: 'host' });
  const scopes = [
    'connections:read',
    'connections:write',
    'workloads:read',
    'workloads:write',
    'grants:read',
    'grants:write',
    'keys:read',
    'keys:rotate',
    'audit:read',
  ];
  const ana = await done(
    host,
    'administrator',
    'create',
    'ana',
    '--generate-key',
    join(folder, 'ana.pem'),
    ...scopes.flatMap((scope) => ['--scope', scope]),
    ...why,
  );
  const admin = as(ana.id, 'ana.pem');
  t.match(await done(admin, 'whoami'), { kind: 'administrator', id: ana.id });

  const billing = await done(
    admin,
    'workload',
    'create',
    'billing',
    '--generate-key',
    join(folder, 'billing.pem'),
    ...why,
  );
  const workload = as(billing.id, 'billing.pem');
  const connection = await done(
    ...([
      admin,
      'connection',
      'create',
      '--name',
      'Acme',
      '--account',
      '123456789012',
      '--permission-set',
      'core',
      '--addition',
      's3',
    ] as const),
    ...['--reference', 'acme-prod', '--label', 'stage=prod', ...why],
  );
  t.match(connection, {
    reference: 'acme-prod',
    state: 'pending',
    labels: { stage: 'prod' },
    aws: { additions: ['s3'] },
  });
  const grant = await done(admin, 'grant', 'create', '--workload', 'billing', '--label', 'stage=prod', ...why);
  t.match(await done(admin, 'grant', 'update', String(grant.id), '--max-session-seconds', '900', ...why), {
    max_session_seconds: 900,
  });

  t.test('reading, for people and for programs', async (t) => {
    t.match((await text(admin, 'connection', 'list')).stdout, /acme-prod +Acme +default +123456789012 +pending/);
    t.match(
      (await text(admin, 'connection', 'show', 'acme-prod')).stdout,
      /^aws\.role_arn +arn:aws:iam::123456789012:role\//m,
    );
    t.match((await text(admin, 'grant', 'list', '--workload', 'billing')).stdout, /label:stage=prod +default +900/);
    t.match((await text(admin, 'workload', 'show', 'billing')).stdout, /^slug +billing$/m);
    t.match((await text(admin, 'connection', 'template', 'acme-prod')).stdout, /AWS::IAM::OIDCProvider/);
    t.match(JSON.parse((await text(admin, 'connection', 'template', '--json')).stdout), { Resources: {} });
    t.match(await text(admin, 'connection', 'link', 'acme-prod'), { code: 1, stderr: /template_url_missing/ });
    t.match(await text(admin, 'connection', 'show', 'nowhere'), { code: 4, stderr: /not_found/ });
    t.match(await text(admin, 'key', 'list'), { code: 0, stdout: /^platform +ES256/m });
    t.match(await text(admin, 'key', 'show'), { code: 0, stdout: / active .*\n[^]* standby / });
    t.match(await text(admin, 'key', 'policy'), { code: 0, stdout: /^ *period +180 s/m });
  });

  t.test('the workload: what it may list, what it gets, and why not', async (t) => {
    t.match(await done(workload, 'whoami'), { kind: 'workload', id: billing.id });
    t.match(await done(workload, 'connection', 'list'), { items: [{ id: connection.id }] });
    t.match(await done(workload, 'token', '--connection', String(connection.id)), {
      token_type: 'Bearer',
      expires_in: Number,
    });
    for (const name of [String(connection.id), 'acme-prod'])
      t.match(await text(workload, 'credentials', name), { code: 1, stdout: '', stderr: /connection_not_active/ });
    t.match(
      await text(
        workload,
        'connection',
        'create',
        '--name',
        'x',
        '--account',
        '123456789012',
        '--permission-set',
        'core',
      ),
      { code: 1, stderr: /insufficient_scope/ },
    );
    t.match(await text(workload, 'token', '--scope', 'audit:read'), { code: 1, stderr: /\[invalid_scope\]/ });
  });

  t.test('a workload renews its own key', async (t) => {
    const added = await done(
      workload,
      'workload',
      'key',
      'generate',
      'billing',
      '--out',
      join(folder, 'billing-2.pem'),
    );
    const renewed = as(billing.id, 'billing-2.pem');
    t.match(await done(renewed, 'whoami'), { id: billing.id });
    const [old] = (billing.keys as { kid: string }[]).map(({ kid }) => kid);
    t.not(added.kid, old);
    await done(renewed, 'workload', 'key', 'remove', 'billing', String(old));
    t.match(await text(workload, 'whoami'), { code: 1, stderr: /\[invalid_client\]/ });
    t.match(await text(renewed, 'workload', 'key', 'remove', 'billing', String(added.kid)), {
      code: 1,
      stderr: /\[last_key\]/,
    });
  });

  t.test('rotation, suspension, the end', async (t) => {
    t.match(await done(admin, 'key', 'rotate', '--now', ...why), { kid: String, predecessor: String });
    t.match(await text(admin, 'key', 'rotate', '--now', ...why), {
      code: 1,
      stderr: /\[standby_unseasoned\]\nhint: Try again from/,
    });
    t.match(await done(admin, 'workload', 'suspend', 'billing', ...why), { state: 'suspended' });
    t.match(await text(as(billing.id, 'billing-2.pem'), 'whoami'), { code: 1 });
    t.match(await done(admin, 'grant', 'delete', String(grant.id), ...why), { deleted: true });
    t.match(await done(admin, 'connection', 'disconnect', 'acme-prod', ...why), { state: 'disconnected' });
  });

  t.test('all of it is on record, with who and why', async (t) => {
    const { items } = (await done(admin, 'audit', '--all')) as {
      items: { kind: string; actor?: string; details?: Members }[];
    };
    const created = items.find(({ kind }) => kind === 'workload.created');
    t.match(created, { actor: ana.id, details: { reason: 'für den Test' } });
    t.match(
      items.find(({ kind }) => kind === 'administrator.created'),
      { actor: 'host', details: { as: 'ana', reason: 'für den Test' } },
    );
    t.match(await done(admin, 'audit', '--kind', 'workload.created', '--from', '1h'), {
      items: [{ kind: 'workload.created' }],
    });
    t.match((await text(admin, 'audit', '--limit', '1')).stdout, /There is more/);
  });
});
