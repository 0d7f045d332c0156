// `countersign agent` as it starts: where it listens, its token file, and whose certificates it believes.
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import t from 'tap';
import { listen, temporaryFolder } from '../cli/stand-in.ts';
import { makeCertificate } from '../support/certificates.ts';
import { askAgent, type RunningAgent, startAgentProcess, startCommand } from '../support/command.ts';

// Nobody is there.
const AWAY = { COUNTERSIGN_URL: 'http://127.0.0.1:1', COUNTERSIGN_TOKEN: 'none' };
const SOON = ['--listen', '127.0.0.1:0', '--hold-seconds', '1'];

t.test('a group may read the token file where asked; that of a later agent is left', async (t) => {
  const tokenFile = join(temporaryFolder(t), 'countersign', 'token');
  const argv = [...SOON, '--token-file', tokenFile, '--token-file-mode', '0640'];
  const one = await startAgentProcess(t, AWAY, argv);
  const before = openSync(tokenFile, 'r');
  t.teardown(() => closeSync(before));
  const two = await startAgentProcess(t, AWAY, argv);
  t.not(fstatSync(before).ino, statSync(tokenFile).ino, 'it is another file');
  const shown = readFileSync(before, 'utf8');
  t.match(shown, /^Bearer [\w-]{43}$/, 'whoever was reading it reads the one before, whole');
  t.not(shown, readFileSync(tokenFile, 'utf8'));
  t.equal(statSync(tokenFile).mode & 0o777, 0o640);
  t.equal(statSync(dirname(tokenFile)).mode & 0o777, 0o750, 'and enter the folder that was made for it');
  one.child.kill('SIGINT');
  t.equal((await one.ended).code, 0);
  t.match(readFileSync(tokenFile, 'utf8'), /^Bearer /);
  t.match(await askAgent(two), { status: 503, Code: 'unreachable', Message: /goes on trying/ });
  t.match(two.stderr(), /COUNTERSIGN_TOKEN is not renewed[^]*"again_in_ms"/);
});

t.test('whoever read its log goes away: it goes on', async (t) => {
  const agent = await startAgentProcess(t, AWAY, [...SOON, '--token-file', join(temporaryFolder(t), 'token')]);
  agent.child.stderr?.destroy();
  for (let asked = 0; asked < 2; asked++) t.match(await askAgent(agent), { status: 503, Code: 'unreachable' });
  t.equal(agent.child.exitCode, null);
});

t.test('a private authority is believed where Node is told of it', async (t) => {
  const folder = temporaryFolder(t);
  const authority = makeCertificate({ commonName: 'An authority' });
  const own = makeCertificate({ commonName: 'The service', names: ['127.0.0.1'], issuer: authority });
  const file = join(folder, 'ca.pem');
  writeFileSync(file, authority.cert);
  const server = createServer({ cert: own.cert, key: own.key }, (_request, response) => {
    const session = { AccessKeyId: 'ASIAX', SecretAccessKey: 's', Token: 't', Expiration: '2099-01-01T00:00:00Z' };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(session));
  });
  await listen(t, server, 0);
  const env = { ...AWAY, COUNTERSIGN_URL: `https://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const start = (more: Record<string, string>, name: string): Promise<RunningAgent> =>
    startAgentProcess(t, { ...env, ...more }, [...SOON, '--token-file', join(folder, name)]);
  t.match(await askAgent(await start({ NODE_EXTRA_CA_CERTS: file }, 'one')), { AccessKeyId: 'ASIAX' });
  t.match(await askAgent(await start({}, 'two')), { status: 503, Code: 'tls_failed', Message: /NODE_EXTRA_CA_CERTS/ });
});

t.test('refused before anything listens', async (t) => {
  const env = { ...AWAY, HOME: temporaryFolder(t) };
  const start = async (argv: string[], variables: Record<string, string> = env) => {
    const running = startCommand(t, ['agent', ...argv], variables);
    // One that serves instead says what to set.
    const serves = once(running.child.stdout as NodeJS.EventEmitter, 'data').then(() => ({ code: 'it serves' }));
    return { ...(await Promise.race([running.ended, serves])), stdout: running.stdout(), stderr: running.stderr() };
  };
  t.match(await start(['--listen', '0.0.0.0:0']), {
    code: 2,
    stderr: /not this machine alone[^]*--allow-non-loopback/,
  });
  for (const every of ['0.0.0.0:0', '[::]:0', '[0:0::0]:0'])
    t.match(await start(['--listen', every, '--allow-non-loopback']), {
      code: 2,
      stderr: /every address[^]*the one address/,
    });
  t.match(await start(['--listen', 'example.com:80']), { code: 2, stderr: /address:port/ });
  t.match(await start([], { HOME: env.HOME }), { code: 2, stderr: /credentials are for workloads/ });
  const { code, stdout } = await start(['--listen', '127.0.0.1:0']);
  const port = /:(\d+)\//.exec(stdout)?.[1] ?? '';
  t.match({ code, stdout }, { code: 'it serves', stdout: `${env.HOME}/.cache/countersign/agent-${port}.token` });
  t.match(await start(['--listen', `127.0.0.1:${port}`]), { code: 1, stderr: /\[cannot_listen\]/ });
});
