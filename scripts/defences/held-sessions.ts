// Sessions that the command keeps on disk, and those that it gives to another command.
import { type Defence, provenBy } from './defence.ts';

const CACHE = 'test/cli/credentials-cache.test.ts';
const EXEC = 'test/cli/exec.test.ts';
const CREDENTIALS = 'test/cli/credentials.test.ts';
const HANDED = 'test/agent/handed.test.ts';
const cacheFile = 'src/cli/credentials-cache.ts';
const privateFile = 'src/cli/private-file.ts';
const environment = 'src/cli/child-environment.ts';

export const heldSessions: Defence[] = [
  ...provenBy(CACHE, 'a file that is open to others, a link, or no session is not believed, and said', [
    {
      name: 'held.modes',
      promise: 'a session file that others may read or write is not believed',
      file: privateFile,
      find: '(stats.mode & 0o077) !== 0',
      replace: '(stats.mode & 0) !== 0',
    },
    {
      name: 'held.links',
      promise: 'a link in the place of a session file is not followed',
      file: privateFile,
      find: 'constants.O_RDONLY | constants.O_NOFOLLOW',
      replace: 'constants.O_RDONLY',
    },
  ]),
  ...provenBy(CACHE, 'a folder that is open to others keeps nothing', [
    {
      name: 'held.folder',
      promise: 'no session is written where others may read',
      file: privateFile,
      find: 'return stats.isDirectory() ? findFault(folder, stats) :',
      replace: 'return stats.isDirectory() ? undefined :',
    },
  ]),
  ...provenBy(CACHE, 'each identity, service, connection, purpose, duration and policy is its own', [
    {
      name: 'held.whose',
      promise: 'a session on disk is given to no other identity',
      file: cacheFile,
      find: 'JSON.stringify([whoAsks(call), connection,',
      replace: 'JSON.stringify([whoAsks(call) && 0, connection,',
    },
    {
      name: 'held.policy',
      promise: 'nor for another session policy',
      file: cacheFile,
      find: 'durationSeconds, sessionPolicy]);',
      replace: 'durationSeconds]);',
    },
  ]),
  ...provenBy(CACHE, "a platform's token file counts by what it says: another workload's finds nothing kept", [
    {
      name: 'held.platform',
      promise: 'a token file that holds another identity finds no session of the one before',
      file: 'src/cli/who-asks.ts',
      find: 'return [source.url, bearerOf(readShown(source.token))];',
      replace: 'return [source.url, readShown(source.token).length > 0];',
    },
  ]),
  ...provenBy(CACHE, 'given while enough of it remains, as the broker gives it; then fetched anew', [
    {
      name: 'held.floor',
      promise: 'a session from disk lives long enough for the SDKs',
      file: cacheFile,
      find: 'if (kept && remaining >= floor)',
      replace: 'if (kept && remaining >= 0)',
    },
    {
      name: 'held.clock',
      promise: 'a clock that was set back makes no session on disk live longer',
      file: cacheFile,
      find: 'at > now ? 0 : remainingMs',
      replace: 'at > now ? remainingMs({ seconds, expiresAt, askedAt: at }, clock) : remainingMs',
    },
  ]),
  ...provenBy(CACHE, 'the service away: what lives is given, with a warning; refused for good, it is removed', [
    {
      name: 'held.forgets',
      promise: 'a session on disk is removed when the service refuses for good',
      file: cacheFile,
      find: 'if (isLasting(refusal)) rmSync(file, { force: true });',
      replace: 'if (isLasting(refusal)) void rmSync;',
    },
  ]),
  ...provenBy(CACHE, 'what has expired goes when something is written, whoever it was for', [
    {
      name: 'held.expired',
      promise: 'no session that has expired stays on disk for good',
      file: cacheFile,
      find: 'removeOver(folder, outside.now());',
      replace: 'void removeOver;',
    },
  ]),
  ...provenBy(CACHE, 'what was left half way, or is no session, goes as well', [
    {
      name: 'held.half-written',
      promise: 'no session stays on disk for good that a process which was killed had begun to write',
      file: cacheFile,
      find: '(\\.[0-9a-f]+)?$/',
      replace: '()$/',
    },
    {
      name: 'held.unread',
      promise: 'nor does what is not to be read as a session',
      file: cacheFile,
      find: '<= now : text !== undefined;',
      replace: '<= now : false;',
    },
  ]),
  ...provenBy(CACHE, 'a ready token that has ended: what lives is given; refused before its end, it is removed', [
    {
      name: 'held.token-over',
      promise: 'a session on disk that lives is given though the token that obtained it has ended',
      file: cacheFile,
      find: 'const refusal = refusalOf(call, error);',
      replace:
        "const { toRefusal } = await import('./handed.ts');\n    void refusalOf;\n    const refusal = toRefusal(error);",
    },
  ]),
  ...provenBy(
    CREDENTIALS,
    '--format env: a shell gets exactly what was handed out, and nothing of what was there wins over it',
    [
      {
        name: 'held.env-lines',
        promise: 'no profile of a shell wins over the keys that are evaluated in it',
        file: 'src/cli/credentials.ts',
        find: '`unset ${[...OVER_KEYS,',
        replace: '`unset ${[',
      },
      {
        name: 'held.env-bearers',
        promise: "nor does a single service's bearer token",
        file: 'src/cli/credentials.ts',
        find: '[...OVER_KEYS, ...bearersOf(env)]',
        replace: '[...OVER_KEYS]',
      },
    ],
  ),
  ...provenBy(HANDED, "a platform's token that is over: in a file it is waited for, in a variable it is said", [
    {
      name: 'held.identity-over',
      promise: "the end of a platform's token is no decision about its sessions",
      file: 'src/cli/handed.ts',
      find: "source.kind !== 'platform' || !OVER.includes(message)",
      replace: 'source.kind',
    },
  ]),
  ...provenBy(
    'test/agent/identities.test.ts',
    'a file that is empty or half written is nobody’s: what is kept stays, and is given',
    [
      {
        name: 'held.whole-token',
        promise: 'a token file that is being written takes no session away',
        file: 'src/cli/shown-token.ts',
        find: 'if (isWhole(text)) return text;',
        replace: 'if (isWhole(text) || text !== token.file) return text;',
      },
    ],
  ),
  ...provenBy(CREDENTIALS, '--format env: where there are no keys, a shell does not go on in the account of before', [
    {
      name: 'held.env-refused',
      promise: 'a shell that evaluates a refusal does not go on in the account of before',
      file: 'src/cli/main.ts',
      find: "if (isEvaluated(argv)) outside.stdout.write('false\\n');",
      replace: 'void isEvaluated(argv);',
    },
  ]),
  ...provenBy(EXEC, 'the session comes from an agent of its own, and nothing stands before it', [
    {
      name: 'held.own-secrets',
      promise: "a command does not get this command's own identity",
      file: environment,
      find: "BEARERS, 'COUNTERSIGN_']",
      replace: 'BEARERS]',
    },
    {
      name: 'held.profiles',
      promise: 'no profile, key or role of the environment wins over the session',
      file: environment,
      find: '  ...OVER_KEYS,\n',
      replace: '',
    },
    {
      name: 'held.old-names',
      promise: 'nor do keys by the names of older SDKs, nor the end of other keys',
      file: environment,
      find: "'AWS_CREDENTIAL_EXPIRATION'],\n  ...['AWS_ACCESS_KEY', 'AWS_SECRET_KEY', 'AWS_CREDENTIAL_FILE'],",
      replace: "],\n  ...['AWS_CREDENTIAL_FILE'],",
    },
    {
      name: 'held.shared-files',
      promise: 'nor does one of the shared files',
      file: environment,
      find: 'AWS_SHARED_CREDENTIALS_FILE: devNull,',
      replace: '',
    },
    {
      name: 'held.boto-files',
      promise: "nor do keys of boto's files, which botocore takes before those of containers",
      file: environment,
      find: 'BOTO_CONFIG: devNull,',
      replace: '',
    },
  ]),
];
