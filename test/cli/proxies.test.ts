// Behind a proxy: what is said where a server was not reached, and that Node goes through the proxy as it says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { Failure } from '../../src/cli/failure.ts';
import { hintAtProxy } from '../../src/cli/proxies.ts';
import { findLastingPort } from '../support/ports.ts';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');
const SERVICE = 'https://countersign.internal.example.com';

t.test('said of a server alone, and where the proxy is not used already', async (t) => {
  const failure = (code: string, where = SERVICE): Failure => new Failure(code, `${where} cannot be reached.`);
  const env = { HTTPS_PROXY: 'http://proxy:3128' };
  for (const code of ['unreachable', 'issuer_unreachable', 'signin_unreachable'])
    t.match(hintAtProxy(failure(code), env), /^HTTPS_PROXY is set, .*NODE_USE_ENV_PROXY=1/);
  t.match(hintAtProxy(failure('unreachable'), { ...env, https_proxy: 'http://other:3128' }), /^https_proxy is set/);
  t.equal(hintAtProxy(failure('unreachable'), { HTTP_PROXY: 'http://proxy:3128', HTTPS_PROXY: '' }), undefined);
  t.equal(hintAtProxy(failure('unreachable', '/run/countersign/admin.sock'), env), undefined);
  t.equal(hintAtProxy(failure('unreachable', 'http://127.0.0.1:1'), env), undefined);
  t.equal(hintAtProxy(failure('tls_failed'), env), undefined);
  t.equal(hintAtProxy(failure('unreachable'), { ...env, NODE_USE_ENV_PROXY: '1' }), undefined);
  t.equal(hintAtProxy(failure('unreachable'), { ...env, NODE_OPTIONS: '--no-warnings --use-env-proxy' }), undefined);
});

t.test('a command says it, and goes through the proxy when it is told to', async (t) => {
  const asked: string[] = [];
  const proxy = createServer().on('connect', ({ url = '' }, socket) => {
    asked.push(url);
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => proxy.close());
  const nobody = `127.0.0.1:${await findLastingPort()}`;
  const whoami = async (more: Record<string, string>): Promise<{ code: number; stderr: string }> => {
    const env = {
      ...{ COUNTERSIGN_URL: `https://${nobody}`, COUNTERSIGN_TOKEN: 'a-token' },
      ...{ HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, ...more },
    };
    const child = spawn(process.execPath, [MAIN, 'whoami', '--json'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = await once(child, 'close');
    return { code, stderr };
  };
  const without = await whoami({});
  t.equal(without.code, 3);
  t.match(JSON.parse(without.stderr), { error: { code: 'unreachable', hint: /COUNTERSIGN_URL\. HTTPS_PROXY is set/ } });
  t.same(asked, []);
  const through = await whoami({ NODE_USE_ENV_PROXY: '1' });
  t.equal(through.code, 3);
  t.same([...new Set(asked)], [nobody]);
  t.notMatch(through.stderr, /HTTPS_PROXY/);
});
