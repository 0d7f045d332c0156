// Debian's AWS CLI, unchanged, through the service and through the agent: sessions, and refusals as it shows them.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { ACCOUNT, startGranted } from '../support/agent.ts';
import { findAwsCli } from '../support/aws-cli.ts';
import { tempDir } from '../support/service.ts';
import { breakTrust, type Way, waysTo } from './ways.ts';

const aws = findAwsCli() ?? '';

t.test('sessions, and what is refused', async (t) => {
  const granted = await startGranted(t);
  const home = tempDir(t);
  const ways = await waysTo(t, granted);
  /** It knows the token as a variable alone. */
  const askOnce = ({ tokenFile, uri }: Way, target: string): Promise<string> =>
    new Promise((resolve) => {
      const env = {
        ...{ PATH: '/usr/bin:/bin', HOME: home, AWS_DEFAULT_REGION: 'us-east-1', AWS_PAGER: '', LC_ALL: 'C.UTF-8' },
        AWS_CONTAINER_CREDENTIALS_FULL_URI: uri(target),
        AWS_CONTAINER_AUTHORIZATION_TOKEN: readFileSync(tokenFile, 'utf8'),
      };
      const argv = ['sts', 'get-caller-identity', '--endpoint-url', granted.sandbox.url, '--output', 'json'];
      execFile(aws, argv, { env }, (_error, stdout, stderr) => resolve(stdout + stderr));
    });
  /** Three times two seconds are all it waits, which a busy machine may take. */
  const ask = async (way: Way, target: string): Promise<string> => {
    for (let tries = 1; ; tries += 1) {
      const said = await askOnce(way, target);
      if (tries === 10 || !said.includes('Read timeout')) return said;
    }
  };
  for (const way of ways)
    t.match(JSON.parse(await ask(way, 'acme')), { Account: ACCOUNT, Arn: /:assumed-role\/countersign-/ }, way.name);
  await breakTrust(granted);
  const [service, agent] = ways as [Way, Way];
  const [missing, refused] = await Promise.all([ask(service, 'nobodys'), ask(agent, 'acme?duration_seconds=901')]);
  t.match(missing, /404[^]*"code": ?"not_found"[^]*\(request rq_/, service.name);
  t.match(refused, /403[^]*"code": ?"sts_refused"[^]*AccessDenied[^]*\(request rq_/, agent.name);
});
