// `countersign sandbox`: the local AWS by itself, with what one needs to be an account's owner in it.
import type { Command } from 'commander';
import { addVerb } from './command.ts';
import { Failure, usage } from './failure.ts';
import { collect, integer } from './options.ts';
import type { Outside } from './outside.ts';
import { clean } from './text.ts';

interface SandboxOptions {
  port: number;
  account?: string[];
  jwksCacheSeconds: number;
  consistencyDelayMs: number;
}

interface Owner {
  accountId: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** The image does not carry it. */
async function importSandbox() {
  try {
    return await import('../sandbox/sandbox.ts');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Failure('sandbox_missing', 'The sandbox is not part of this installation.', {
      hint: 'It is for development: run it from the repository.',
      cause: error,
    });
  }
}

/** Why an issuer was unusable, and its own faults; what it was asked is at /_sandbox/calls. */
function logTo({ stderr }: Outside): (line: object) => void {
  return (line) => {
    if ('event' in line && line.event !== 'call') stderr.write(`${clean(JSON.stringify(line))}\n`);
  };
}

function guide(url: string, owners: readonly Owner[]): string {
  const accounts = owners.map(
    ({ accountId, accessKeyId, secretAccessKey }) =>
      `# owner of ${accountId}\nexport AWS_ENDPOINT_URL=${url} AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\nexport AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}\nunset AWS_SESSION_TOKEN\n`,
  );
  return `${[
    `The sandbox AWS (STS, IAM, CloudFormation, sign-in) listens on ${url}. All is in memory; Ctrl-C ends it.\n`,
    ...accounts,
    `# the service goes to it with\nexport STS_ENDPOINT_URL=${url}\n# and \`countersign signin\` with\nexport SIGNIN_ENDPOINT_URL=${url}\n`,
    `# another account's owner
curl -s ${url}/_sandbox/accounts -H 'content-type: application/json' -d '{"account_id":"210987654321"}'\n`,
    `# faults, until cleared or so many times: latency, throttle, error, reset, half, oversize
curl -s ${url}/_sandbox/faults -H 'content-type: application/json' -d '{"kind":"latency","latency_ms":3000,"action":"AssumeRoleWithWebIdentity"}'
curl -s ${url}/_sandbox/faults -H 'content-type: application/json' -d '{"kind":"throttle","times":2}'
curl -s ${url}/_sandbox/faults -H 'content-type: application/json' -d '{"kind":"error","status":500}'
curl -s -X DELETE ${url}/_sandbox/faults\n`,
    `# how long its copy of a JWKS lives, how long it takes to be consistent, and what it was asked
curl -s -X PUT ${url}/_sandbox/options -H 'content-type: application/json' -d '{"jwks_cache_seconds":5,"consistency_delay_ms":8000}'
curl -s ${url}/_sandbox/calls`,
  ].join('\n')}\n`;
}

export function addSandboxCommand(program: Command, outside: Outside): void {
  addVerb<SandboxOptions>(program, outside, {
    usage: 'sandbox',
    summary: 'Run the local stand-in for AWS, for development.',
    about:
      'Prints the keys of an account owner, what to export, and how to switch faults on; on stderr, why it could not use an issuer. It ends with the process.',
    local: true,
    examples: [
      'countersign sandbox',
      'countersign sandbox --port 4566 --account 123456789012 --jwks-cache-seconds 5 --json',
    ],
    options: (command) =>
      command
        .option('--port <n>', 'port on 127.0.0.1 (0: a free one)', integer(0, 65_535), 4566)
        .option('--account <id>', 'account to make, 12 digits (again for more; default: 123456789012)', collect)
        .option('--jwks-cache-seconds <n>', 'how long its copy of a JWKS lives', integer(0, 86_400), 5)
        .option('--consistency-delay-ms <n>', 'how long a new role is denied to everybody', integer(0, 60_000), 0),
    run: async ({ options, show }) => {
      const { port, account = ['123456789012'], jwksCacheSeconds, consistencyDelayMs } = options;
      const wrong = account.find((id) => !/^\d{12}$/.test(id));
      if (wrong !== undefined) throw usage(`--account must be 12 digits, not ${wrong}.`);
      const { startSandbox } = await importSandbox();
      const sandbox = await startSandbox({
        ...{ port, jwksCacheSeconds, consistencyDelayMs },
        log: logTo(outside),
      }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EADDRINUSE') throw error;
        throw new Failure('port_in_use', `Something listens on port ${port} already.`, {
          hint: 'Give another --port, or 0 for a free one.',
        });
      });
      const owners = account.map((id) => sandbox.account(id));
      const accounts = owners.map(({ accountId, accessKeyId, secretAccessKey }) => ({
        account_id: accountId,
        access_key_id: accessKeyId,
        secret_access_key: secretAccessKey,
      }));
      show({ url: sandbox.url, accounts }, () => guide(sandbox.url, owners));
      await outside.stopped();
      await sandbox.close();
    },
  });
}
