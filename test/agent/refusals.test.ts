// docs/refusals.md, row by row: each refusal made real, and what the JavaScript SDK, Debian's AWS CLI and the doctor say of it.
import { execFile } from 'node:child_process';
import { inspect } from 'node:util';
import { STSClient } from '@aws-sdk/client-sts';
import { fromHttp } from '@aws-sdk/credential-provider-http';
import t from 'tap';
import type { Finding } from '../../src/cli/doctor/findings.ts';
import { cli } from '../cli/stand-in.ts';
import { readPage } from '../docs/pages.ts';
import { findAwsCli } from '../support/aws-cli.ts';
import { engine } from '../support/databases.ts';
import { tempDir } from '../support/service.ts';
import { ALONE, type Refusing, ROWS, startRefusing } from './refusing.ts';
import type { Asked } from './refusing-world.ts';

interface Row {
  name: string;
  status: string;
  code: string;
  retryAfter: string;
  whose: string;
  doing: string;
  ids: string;
  javascript: string;
  awsCli: string;
}

const rows: Row[] = [...readPage('docs/refusals.md').matchAll(/^\| (.+) \|$/gm)]
  .map(([, line = '']) => line.split(' | '))
  .filter(([first]) => first !== 'refusal' && first !== '---')
  .map(([name = '', answer = '', retryAfter = '', whose = '', doing = '', ids = '', javascript = '', awsCli = '']) => {
    const [status = '', code = ''] = answer.split(' ');
    return { name, status, code, retryAfter, whose, doing, ids, javascript, awsCli };
  });

const aws = findAwsCli() ?? '';
/** What it prints hangs on no database, and each of its processes takes half a second. */
const asksAwsCli = engine === 'pglite';
const OUT_OF_TIME = /TimeoutError|Read timeout|did not answer within 2 s/;
/** What the other rows are made of changes what a decision rests on, or keeps its database; so it says, and to come again. */
const CHANGING = /keeps changing|did not answer in time/;
const EITHER = new RegExp(`${OUT_OF_TIME.source}|${CHANGING.source}`);

/** Asks again where the answer is of the moment: clients wait for one second or two, and a busy machine may take longer. */
async function past<T>(passing: RegExp, ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const said = await ask();
    if (tries === 10 || !passing.test(JSON.stringify(said))) return said;
  }
}

const uriOf = ({ service }: Refusing, { connection, query }: Asked): string =>
  `${service.url}/v1/connections/${connection}/credentials${query === undefined ? '' : `?${query}`}`;

/** What every client is sent, and few of them show. */
async function askRetryAfter(uri: string, token: string | undefined): Promise<{ text: string; retryAfter: string }> {
  const answer = await fetch(uri, { headers: token === undefined ? {} : { authorization: token } });
  const seconds = answer.headers.get('retry-after');
  return { text: await answer.text(), retryAfter: seconds === null ? '-' : `${seconds} s` };
}

/** What Node prints of an error that nobody caught. */
async function askSdk(uri: string, token: string | undefined): Promise<string> {
  const options = { awsContainerCredentialsFullUri: uri, maxRetries: 0 };
  return await fromHttp({
    ...options,
    ...(token === undefined ? {} : { awsContainerAuthorizationToken: token }),
  })().then(
    () => 'a session',
    (error: unknown) => inspect(error, { breakLength: Number.POSITIVE_INFINITY }),
  );
}

function askAwsCli(home: string, endpoint: string, uri: string, token: string | undefined): Promise<string> {
  const env = {
    ...{ PATH: '/usr/bin:/bin', HOME: home, AWS_DEFAULT_REGION: 'us-east-1', AWS_PAGER: '', LC_ALL: 'C.UTF-8' },
    AWS_CONTAINER_CREDENTIALS_FULL_URI: uri,
    ...(token === undefined ? {} : { AWS_CONTAINER_AUTHORIZATION_TOKEN: token }),
  };
  return new Promise((resolve) => {
    execFile(aws, ['sts', 'get-caller-identity', '--endpoint-url', endpoint], { env }, (_error, stdout, stderr) => {
      const said = stdout + stderr;
      // It prints the answer as it came: its strings are JSON's.
      resolve(said.replaceAll('\\"', '"'));
    });
  });
}

/** The failures that the doctor finds, by the endpoint as clients ask it and by the connection, as one text each. */
async function askDoctor(refusing: Refusing, asked: Asked, uri: string, home: string): Promise<[string, string][]> {
  const purpose = new URLSearchParams(asked.query).get('purpose');
  const env = {
    ...{ ...refusing.env, HOME: home, AWS_CONTAINER_CREDENTIALS_FULL_URI: uri },
    ...(asked.token === undefined ? {} : { AWS_CONTAINER_AUTHORIZATION_TOKEN: asked.token }),
  };
  const argv = ['doctor', '--json', '--clients', '--connection', asked.connection];
  const { json } = await cli([...argv, ...(purpose === null ? [] : ['--purpose', purpose])], env, { now: Date.now });
  const { findings } = json() as { findings: Finding[] };
  return findings
    .filter(({ severity }) => severity === 'failure')
    .map(({ code, detail, hint }) => [code, `${detail} ${hint}`]);
}

t.test('the table has a row for each refusal', async (t) => {
  t.same(
    rows.map(({ name }) => name),
    ROWS,
  );
});

t.test('each refusal, by each client', { jobs: 5 }, async (t) => {
  const refusing = await startRefusing(t);
  const home = tempDir(t);
  const check = (row: Row): Promise<unknown> =>
    t.test(row.name, async (t) => {
      const asked = await refusing.asked(row.name);
      const uri = uriOf(refusing, asked);
      const passing = row.awsCli === 'words' ? EITHER : CHANGING;
      const cli = (): Promise<string> => askAwsCli(home, refusing.sandbox.url, uri, asked.token);
      const doctorSays = (): Promise<[string, string][]> => askDoctor(refusing, asked, uri, home);
      const [{ retryAfter }, sdk, awsCli, doctor] = await Promise.all([
        past(CHANGING, () => askRetryAfter(uri, asked.token)),
        // Of a 503 it tells nothing else.
        past(row.status === '503' ? EITHER : /TimeoutError|status: 503/, () => askSdk(uri, asked.token)),
        asksAwsCli ? past(passing, cli) : '',
        past(passing, doctorSays),
      ]);
      await asked.over?.();
      t.equal(retryAfter, row.retryAfter, 'Retry-After');
      const request = /request rq_\w+/;
      const awsRequest = /AWS request [0-9a-f]{8}-[0-9a-f-]{27}/;
      const ids = row.ids === 'ours' ? [request] : [request, awsRequest];
      const shown = (said: string, client: string): void => {
        for (const part of [row.code, row.doing]) t.ok(said.includes(part), `${client} shows ${part}: ${said}`);
        for (const id of ids) t.match(said, id, client);
      };
      t.match(sdk, `Server responded with status: ${row.status}`);
      if (row.javascript === 'words') shown(sdk, 'the SDK');
      else t.notMatch(sdk, /Code|rq_/, 'the SDK keeps it to itself');
      const waited = row.awsCli === 'words' || !OUT_OF_TIME.test(awsCli);
      if (asksAwsCli && waited) shown(awsCli, 'the AWS CLI');
      if (asksAwsCli) t.match(awsCli, waited ? `(${row.status})` : /Read timeout/);
      // Where nothing could be shown, it asks nobody.
      if (asked.token === undefined) return void t.match(doctor, [[/^client_/, /No token is set/]]);
      const told = doctor.filter(([, said]) => said.includes(row.code));
      shown(told.map(([, said]) => said).join('\n'), `the doctor, of ${JSON.stringify(doctor)}`);
      for (const [code, said] of doctor)
        if (code.startsWith('connection_')) t.equal(code, `connection_${row.whose}`, said);
        else if (told.length > 0 && said.includes(row.code)) t.match(said, `of the ${row.whose}`);
    });
  const isAlone = ({ name }: Row): boolean => ALONE.includes(name);
  await Promise.all(rows.filter((row) => !isAlone(row)).map(check));
  await t.test("the SDK's default chain keeps every word to itself", async (t) => {
    const uri = uriOf(refusing, await refusing.asked('there is no such connection'));
    const before = { ...process.env };
    t.teardown(() => void (process.env = before));
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: uri, AWS_CONTAINER_AUTHORIZATION_TOKEN: refusing.token };
    Object.assign(process.env, { HOME: home, ...env });
    const sts = new STSClient({ region: 'us-east-1' });
    await t.rejects(sts.config.credentials(), { message: 'Could not load credentials from any providers' });
    sts.destroy();
  });
  for (const row of rows.filter(isAlone)) await check(row);
});
