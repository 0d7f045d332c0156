// `countersign credentials`: session credentials of a connection, in the shapes that people and SDKs take.
import { Option, type Command } from 'commander';
import type { Credentials } from '../agent/sessions.ts';
import { BEARERS, keysOf, OVER_KEYS, regionsOf } from './child-environment.ts';
import { addVerb } from './command.ts';
import { obtainCached } from './credentials-cache.ts';
import { askForCredentials } from './handed.ts';
import { integer, readJson } from './options.ts';
import type { Outside } from './outside.ts';
import { json } from './text.ts';

interface CredentialsOptions {
  format: 'json' | 'env' | 'credential-process';
  purpose?: string;
  durationSeconds?: number;
  sessionPolicy?: string;
  cache: boolean;
}

/** For a POSIX shell's `eval`: nothing in a value ends the quotes. */
const quote = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`;

/** The name of each stands in a shell's line as it is. */
const bearersOf = (env: Outside['env']): string[] =>
  Object.keys(env).filter((name) => name.startsWith(BEARERS) && /^[A-Z0-9_]+$/.test(name));

const FORMATS: Record<CredentialsOptions['format'], (credentials: Credentials, env: Outside['env']) => string> = {
  json: (credentials) => `${json(credentials)}\n`,
  env: (credentials, env) => {
    const variables = Object.entries({ ...keysOf(credentials), ...regionsOf(credentials.Region) });
    const exports = variables.map(([name, value]) => `export ${name}=${quote(value)}`);
    return [`unset ${[...OVER_KEYS, ...bearersOf(env)].join(' ')}`, ...exports, ''].join('\n');
  },
  'credential-process': ({ AccessKeyId, SecretAccessKey, Token, Expiration }) =>
    `${json({ Version: 1, AccessKeyId, SecretAccessKey, SessionToken: Token, Expiration })}\n`,
};

/** Whether a shell evaluates what is printed: it takes nothing for a success, and would go on in the account of before. */
export function isEvaluated(argv: readonly string[]): boolean {
  return argv[0] === 'credentials' && /(^|\0)--format[=\0]env($|\0)/.test(argv.join('\0'));
}

export function addCredentialsCommand(program: Command, outside: Outside): void {
  addVerb<CredentialsOptions>(program, outside, {
    usage: 'credentials <connection>',
    summary: 'Get session credentials for a connection, as a workload.',
    about:
      'By id or reference. As credential_process, which SDKs start anew each time, it keeps sessions between processes: in\n$XDG_CACHE_HOME/countersign or ~/.cache/countersign, for this user alone.',
    examples: [
      'countersign credentials cn_… --purpose report',
      'keys=$(countersign credentials prod-eu --format env) && eval "$keys" && aws sts get-caller-identity',
      'credential_process = countersign credentials cn_… --format credential-process    # in ~/.aws/config',
    ],
    options: (command) =>
      command
        .addOption(
          new Option('--format <format>', 'json is the container credentials shape')
            .choices(Object.keys(FORMATS))
            .default('json'),
        )
        .option('--purpose <purpose>', 'chooses the grant')
        .option('--duration-seconds <n>', 'length of the session, 900 to 43200', integer(900, 43_200))
        .option('--session-policy <file>', 'JSON policy of Deny statements, for this session')
        .option('--no-cache', 'as credential-process: keep nothing on disk, and take nothing from it')
        .option('--reason <text>', 'why, for the audit log'),
    run: async (call) => {
      const { args, options } = call;
      const { purpose, durationSeconds } = options;
      const sessionPolicy = options.sessionPolicy === undefined ? undefined : readJson(options.sessionPolicy);
      const asked = { connection: args[0] as string, purpose, durationSeconds, sessionPolicy };
      const fetch = (): Promise<Credentials> => askForCredentials(call, asked);
      const cached = options.format === 'credential-process' && options.cache;
      const credentials = cached ? await obtainCached(call, asked, fetch) : await fetch();
      outside.stdout.write(FORMATS[options.format](credentials, outside.env));
    },
  });
}
