// What stands in for a platform's own commands, where a page of docs/workload-identity/ calls them: run as `<this> aws sts …`.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { fromHttp } from '@aws-sdk/credential-provider-http';

const [command = '', ...argv] = process.argv.slice(2);
const after = (name: string): string => argv[argv.indexOf(name) + 1] ?? '';
const endpoint = process.env['STAND_IN_PLATFORM'] as string;

async function tokenFor(audience: string): Promise<string> {
  const answer = await fetch(`${endpoint}/token?audience=${audience}`);
  return ((await answer.json()) as { value: string }).value;
}

/** With the credentials of the container variables alone, by the real SDK. */
async function callerIdentity(): Promise<string> {
  const sts = new STSClient({ endpoint, credentials: fromHttp({ maxRetries: 3, timeout: 5000 }) });
  const { Account, Arn } = await sts.send(new GetCallerIdentityCommand({}));
  return `${JSON.stringify({ Account, Arn })}\n`;
}

function pick(json: string, path: string): string {
  const steps = [...path.matchAll(/\.(\w+)|\[(\d+)\]/g)].map(([, name, index]) => name ?? Number(index));
  return String(steps.reduce((value, step) => (value as Record<string | number, unknown>)[step], JSON.parse(json)));
}

const COMMANDS: Record<string, () => Promise<string>> = {
  // As --output text does, with a line break.
  'aws sts get-web-identity-token': async () => `${await tokenFor(after('--audience'))}\n`,
  'aws sts get-caller-identity': callerIdentity,
  'spire-agent api fetch': async () =>
    `${JSON.stringify([{ svids: [{ hint: '', svid: await tokenFor(after('-audience')) }] }, { bundles: {} }])}\n`,
  curl: async () => {
    const [, name = '', value = ''] = /^([^:]+): (.*)$/.exec(after('-H')) ?? [];
    const answer = await fetch(argv.at(-1) as string, { headers: { [name]: value } });
    return await answer.text();
  },
  jq: async () => pick(readFileSync(0, 'utf8'), after('-j')),
  'kubectl apply': async () => '',
  'kubectl exec': async () => {
    const [file = '', ...rest] = argv.slice(argv.indexOf('--') + 1);
    const { stdout, stderr } = spawnSync(file, rest, { encoding: 'utf8' });
    return stdout || stderr;
  },
};

const line = [command, ...argv].join(' ');
const name = Object.keys(COMMANDS).find((known) => line === known || line.startsWith(`${known} `));
if (name === undefined) throw new Error(`nothing stands in for: ${line}`);
process.stdout.write((await COMMANDS[name]?.()) ?? '');
