// `npm run demo`: it stays up, what it suggests works as printed, and however it ends no process is left.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { isAlive, startDemo } from './demo-process.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The commands of a suggestion, as they were printed. */
function commands(said: string, title: string): string[] {
  const [, ...lines] = said.slice(said.indexOf(`  ${title}`)).split('\n');
  return lines.slice(0, lines.indexOf('')).map((line) => line.trim());
}

async function sh(lines: string[]): Promise<string> {
  // npm's own script would look for what to install; the command is the same.
  const script = lines.join('\n').replaceAll('npm -s run countersign --', `'${process.execPath}' src/cli/main.ts`);
  const { stdout } = await promisify(execFile)('sh', ['-euc', script], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] ?? '' },
  });
  return stdout;
}

async function untilGone(pid: number): Promise<boolean> {
  for (let waited = 0; isAlive(pid) && waited < 60_000; waited += 50) await delay(50);
  return !isAlive(pid);
}

t.test('it stays up until Ctrl-C, with something to try', async (t) => {
  const demo = startDemo(t, []);
  const said = await demo.until('Ctrl-C ends it');
  t.equal((await fetch(`${/(http:\S+\/docs)/.exec(said)?.[1]}/`)).status, 200, 'the API page');

  const asWorkload = JSON.parse(await sh(commands(said, 'With curl, as cost-report').slice(0, 2)));
  t.match(asWorkload, { AccountId: '111122223333', AccessKeyId: /^ASIA/ });
  const operator = commands(said, 'With curl, as the operator');
  t.match(JSON.parse(await sh(operator.slice(0, 2))), { name: 'Acme', state: 'active' });
  const command = commands(said, 'With the countersign command');
  t.match(await sh(command.slice(0, 3)), /host[^]*Acme/);

  const cli = commands(said, 'As cost-report, with the AWS CLI').join('\n');
  const [, uri = ''] = /AWS_CONTAINER_CREDENTIALS_FULL_URI=(\S+)/.exec(cli) ?? [];
  const [, file = ''] = /AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=(\S+)/.exec(cli) ?? [];
  t.match(cli, /aws --endpoint-url http:\S+ sts get-caller-identity/);
  const answer = await fetch(uri, { headers: { authorization: readFileSync(file, 'utf8') } });
  t.match(await answer.json(), { AccountId: '111122223333' }, 'as SDKs send it, verbatim');

  const pid = demo.servicePid();
  t.ok(isAlive(pid));
  demo.child.kill('SIGINT');
  // npm passes on what the terminal sends as well.
  demo.child.kill('SIGINT');
  t.equal(await demo.ended, 0);
  t.notOk(isAlive(pid));
  t.same(demo.leftovers(), []);
});

t.test('Ctrl-C in the middle of it', async (t) => {
  const demo = startDemo(t, ['--once']);
  await demo.until('2. Customers connect');
  demo.child.kill('SIGINT');
  t.equal(await demo.ended, 130);
  t.match(JSON.parse(demo.said().trimEnd().split('\n').at(-1) ?? ''), { ok: false, failed: String, error: /SIGINT/ });
  t.notOk(isAlive(demo.servicePid()));
  t.same(demo.leftovers(), []);
});

t.test('kill -9 of the demo ends its service', async (t) => {
  const demo = startDemo(t, ['--once']);
  await demo.until('2. Customers connect');
  demo.child.kill('SIGKILL');
  await demo.ended;
  t.ok(await untilGone(demo.servicePid()));
});
