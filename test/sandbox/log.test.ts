// What the sandbox says of itself: why an issuer is unusable, and its own faults; on stderr when it runs alone.
import { CreateOpenIDConnectProviderCommand } from '@aws-sdk/client-iam';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import t from 'tap';
import { run } from '../../src/cli/main.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { clients, refusal } from './world.ts';

t.test('`countersign sandbox` says on stderr why an issuer is unusable', async (t) => {
  const issuer = createServer((_, response) => response.writeHead(503).end());
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  t.teardown(() => issuer.close());
  const [shown, stop] = [Promise.withResolvers<string>(), Promise.withResolvers<void>()];
  let stderr = '';
  const ended = run(['sandbox', '--port', '0', '--json'], {
    env: {},
    stdout: { write: (text) => shown.resolve(text) },
    stderr: { write: (text) => (stderr += text) },
    now: Date.now,
    sleep: async () => {},
    stopped: () => stop.promise,
  });
  const { url, accounts } = JSON.parse(await shown.promise);
  const [{ access_key_id: accessKeyId, secret_access_key: secretAccessKey }] = accounts;
  const { iam } = clients(url, { accessKeyId, secretAccessKey });
  const Url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/c/is_abc`;
  const create = iam.send(new CreateOpenIDConnectProviderCommand({ Url, ClientIDList: ['sts.amazonaws.com'] }));
  t.match(await refusal(create), { code: 'OpenIdIdpCommunicationError' });
  stop.resolve();
  t.equal(await ended, 0);
  const reason = `${Url}/.well-known/openid-configuration answers 503`;
  t.equal(
    stderr,
    `${JSON.stringify({ event: 'issuer unusable', issuer: Url, reason })}\n`,
    'that alone, not each call',
  );
});

t.test('a fault of its own is in its log wherever it happens', async (t) => {
  const lines: object[] = [];
  const fail = () => {
    throw new Error('broken on purpose');
  };
  const sandbox = await startSandbox({ witness: fail, log: (line) => lines.push(line) });
  t.teardown(() => sandbox.close());
  for (const path of ['/', '/federation']) {
    const answer = await fetch(`${sandbox.url}${path}`, { method: 'POST', body: 'Action=x' });
    t.equal(answer.status, 500);
    t.match(await answer.text(), /The sandbox failed; its log says why\./, path);
    const faults = lines.splice(0).filter((line) => 'reason' in line);
    t.match(faults, [{ event: 'sandbox fault', reason: /broken on purpose/ }], path);
  }
});

t.test('a caller who hangs up within the request is no fault of it', async (t) => {
  const lines: object[] = [];
  const sandbox = await startSandbox({ log: (line) => lines.push(line) });
  t.teardown(() => sandbox.close());
  const { hostname, port } = new URL(sandbox.url);
  const socket = connect(Number(port), hostname, () => {
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf', () => socket.destroy());
  });
  await once(socket, 'close');
  await fetch(`${sandbox.url}/`, { method: 'POST', body: 'Action=x' });
  t.match(lines, [{ event: 'call' }], 'the call of another alone');
  t.equal(lines.length, 1);
});
