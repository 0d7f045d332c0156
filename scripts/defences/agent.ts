// The agent: who is answered on this machine, and what it keeps.
import { type Defence, provenBy } from './defence.ts';

const SESSIONS = 'test/agent/sessions.test.ts';
const HANDED = 'test/agent/handed.test.ts';
const SERVER = 'test/agent/server.test.ts';
const PROCESS = 'test/agent/process.test.ts';
const sessionsFile = 'src/agent/sessions.ts';
const serverFile = 'src/agent/server.ts';

export const agent: Defence[] = [
  ...provenBy(SERVER, 'a bearer is required, with or without its scheme; nothing is asked without it', [
    {
      name: 'agent.bearer',
      promise: 'whoever on this machine does not show the bearer gets no session',
      file: serverFile,
      find: 'if (!isBearer(request.headers.authorization))',
      replace: 'if (!isBearer && request)',
    },
  ]),
  ...provenBy(SERVER, 'another Host is refused, the bearer notwithstanding', [
    {
      name: 'agent.host',
      promise: 'a browser that was led to loopback by a foreign name is refused',
      file: serverFile,
      find: 'createServer({ hosts,',
      replace: 'createServer({ hosts: { has: () => true } as unknown as ReadonlySet<string>,',
    },
  ]),
  ...provenBy(SESSIONS, 'workload_suspended: passed on at once, and what was kept is forgotten', [
    {
      name: 'agent.forgets',
      promise: 'a session is not given on after the service refused for good',
      file: sessionsFile,
      find: 'entry.kept = undefined;\n          entries.delete(keyOf(entry.wanted));',
      replace: '',
    },
  ]),
  ...provenBy(SESSIONS, 'sealed: passed on at once, and what was kept is forgotten', [
    {
      name: 'agent.sealed',
      promise: 'a sealed service empties the agents that ask it',
      file: 'src/agent/refusal.ts',
      find: "new Set(['sealed', 'sts_answer_refused'])",
      replace: "new Set(['sts_answer_refused'])",
    },
  ]),
  ...provenBy(HANDED, 'a ready token that has ended: what lives is given, and the reason at once to who has none', [
    {
      name: 'agent.token-over',
      promise: 'a session that lives is given though the token that obtained it has ended',
      file: 'src/cli/handed.ts',
      find: 'return findEndedToken(call, toFailure(error)) ?? toRefusal(error);',
      replace: 'void findEndedToken(call, toFailure(error));\n  return toRefusal(error);',
    },
  ]),
  ...provenBy(SESSIONS, 'another who asks is given nothing of what the one before obtained', [
    {
      name: 'agent.who',
      promise: 'a session is not given to who did not obtain it: another login, another platform token',
      file: sessionsFile,
      find: 'kept?.by === asker ?',
      replace: 'kept ?',
    },
    {
      name: 'agent.who-meanwhile',
      promise: 'nor one that was asked for by another',
      file: sessionsFile,
      find: 'if (by !== asker) continue;',
      replace: 'void by;',
    },
  ]),
  ...provenBy(SESSIONS, 'the service away: a session that lives is given to its last minute, and then the reason', [
    {
      name: 'agent.still-good',
      promise: 'a session that lives is given while the service is away',
      file: sessionsFile,
      find: 'if (isLasting(toRefusal(error))) throw error;\n      return old;',
      replace: 'void old;\n      throw error;',
      also: [{ file: sessionsFile, find: 'within(SOON_MS, fly(entry), () => old)', replace: 'fly(entry)' }],
    },
    {
      name: 'agent.last-minute',
      promise: 'a session that is about to end is not given',
      file: sessionsFile,
      find: 'if (!kept || remaining < LAST_MS)',
      replace: 'if (!kept)',
    },
  ]),
  ...provenBy(SESSIONS, 'the service away for three minutes: who has no session is held, and gets one', [
    {
      name: 'agent.tries-on',
      promise: 'the service is asked again for minutes',
      file: sessionsFile,
      find: 'await rest(entry, ms, refusal);',
      replace: 'await rest(entry, ms, refusal);\n        if (failures > 3) throw refusal;',
    },
  ]),
  ...provenBy(SESSIONS, 'held for ten minutes where that is said: it is tried for as long', [
    {
      name: 'agent.tries-held',
      promise: 'the service is asked again for as long as a caller is held',
      file: sessionsFile,
      find: 'Math.max(TRIED_FOR_MS, holdMs, ',
      replace: 'Math.max(TRIED_FOR_MS, ',
    },
  ]),
  ...provenBy(SESSIONS, 'what waiting does not mend is said at once to who has no session; one that lives is given', [
    {
      name: 'agent.by-hand',
      promise: 'what waiting does not mend is said at once',
      file: sessionsFile,
      find: '(!isWaitedFor(refusal) && remainingOf(entry) < LAST_MS)',
      replace: '!isWaitedFor(refusal)',
    },
  ]),
  ...provenBy(SESSIONS, 'those that wait for a service that fails are in nobody’s way', [
    {
      name: 'agent.asking',
      promise: 'sessions that wait to be asked for again hold up no others',
      file: sessionsFile,
      find: 'asking--;',
      replace: 'setTimeout(() => asking--, 60_000).unref();',
    },
    {
      name: 'agent.bounded-again',
      promise: 'an agent asks for a bounded number of sessions at once, those that it asks for again among them',
      file: sessionsFile,
      find: 'if (asking < MAX_ASKED) return;',
      replace: 'return;',
    },
  ]),
  ...provenBy('test/cli/exec.test.ts', 'what is refused is said before anything runs', [
    {
      name: 'agent.exec-says',
      promise: 'exec says at once what waiting does not mend',
      file: 'src/cli/exec.ts',
      find: 'if (!isOutage(error)) refused.reject(error);',
      replace: '',
    },
  ]),
  ...provenBy(
    'test/cli/exec.test.ts',
    'a certificate that waiting does not mend is said at once; one out of its term is waited for',
    [
      {
        name: 'agent.certificate',
        promise: 'a certificate that waiting does not mend is said at once',
        file: 'src/agent/refusal.ts',
        find: "'token_over', 'tls_failed'",
        replace: "'token_over'",
      },
    ],
  ),
  ...provenBy(SESSIONS, 'a session in use is refreshed at half of its life, without being asked for again', [
    {
      name: 'agent.refresh',
      promise: 'what is in use is refreshed at half of its life',
      file: sessionsFile,
      find: 'if (isInUse(entry) && isPastHalf(kept, remaining - kept.spreadMs))',
      replace: 'if (isInUse(entry) && remaining < 0)',
    },
  ]),
  ...provenBy(SESSIONS, 'what nobody asked for during its life is refreshed no more, and forgotten', [
    {
      name: 'agent.unused',
      promise: 'what nobody uses is refreshed no more',
      file: sessionsFile,
      find: 'if (isInUse(entry) && isPastHalf(',
      replace: 'if (isPastHalf(',
    },
  ]),
  ...provenBy(SESSIONS, 'many who ask at once are one request, and each key is its own', [
    {
      name: 'agent.single-flight',
      promise: 'one request for all who ask the agent for the same',
      file: sessionsFile,
      find: 'if (entry.flight) return entry.flight;',
      replace: '',
    },
    {
      name: 'agent.key',
      promise: 'another purpose or duration is another session',
      file: sessionsFile,
      find: 'JSON.stringify([connection, purpose, durationSeconds])',
      replace: 'JSON.stringify([connection, purpose && durationSeconds])',
    },
  ]),
  ...provenBy(SESSIONS, 'Retry-After is kept to', [
    {
      name: 'agent.retry-after',
      promise: 'the agent does not ask before the service said',
      file: 'src/agent/again.ts',
      find: 'return asked > own ? asked + own : own;',
      replace: 'return own;',
    },
  ]),
  ...provenBy(SESSIONS, 'bounded: 256 requests at once, and 10 000 kept', [
    {
      name: 'agent.bounded',
      promise: 'an agent asks for a bounded number of sessions at once',
      file: sessionsFile,
      find: 'if (asking >= MAX_ASKED)',
      replace: 'if (asking < 0)',
    },
  ]),
  ...provenBy('test/agent/start.test.ts', 'refused before anything listens', [
    {
      name: 'agent.loopback',
      promise: 'an agent listens on loopback alone unless it is told otherwise',
      file: 'src/cli/agent.ts',
      find: 'if (!isLoopback(listen.host) && !options.allowNonLoopback)',
      replace: 'if (!isLoopback(listen.host) && !listen)',
    },
  ]),
  ...provenBy(
    'test/agent/start.test.ts',
    'a group may read the token file where asked; that of a later agent is left',
    [
      {
        name: 'agent.token-file-whole',
        promise: 'whoever reads the file with the bearer finds the old one or the new, whole',
        file: 'src/cli/private-file.ts',
        find: 'renameSync(beside, file);',
        replace:
          'writeFileSync(file, text);\n    fchmodSync(openSync(file, "r"), mode);\n    void renameSync;\n    rmSync(beside);',
      },
    ],
  ),
  ...provenBy('test/agent/start.test.ts', 'whoever read its log goes away: it goes on', [
    {
      name: 'agent.log-reader',
      promise: 'an agent outlives whoever reads its log',
      file: 'src/cli/outside.ts',
      find: "process.stderr.on('error', () => {});",
      replace: '',
    },
  ]),
  ...provenBy(SESSIONS, 'closed while the service does not answer: nobody is held for that', [
    {
      name: 'agent.ends-held',
      promise: 'an agent that stops holds nobody',
      file: sessionsFile,
      find: 'sleep(ms, AbortSignal.any([timer.signal, ended.signal])).then(late)',
      replace: 'sleep(ms, timer.signal).then(late)',
    },
  ]),
  ...provenBy(SERVER, 'it ends with the last answer, not with the connection of whoever keeps his', [
    {
      name: 'agent.ends-connections',
      promise: "an agent's end waits for no idle connection",
      file: serverFile,
      find: 'closeAsTheyIdle(server);\n',
      replace: '',
    },
  ]),
  ...provenBy('test/cli/exec.test.ts', 'it ends with its command, though its agent still asks for a session', [
    {
      name: 'agent.exec-ends',
      promise: 'exec ends with its command, whatever its agent still asks for',
      file: 'src/cli/exec.ts',
      find: 'outside.leave?.();',
      replace: '',
    },
  ]),
  ...provenBy('test/agent/identities.test.ts', 'a person: while she is signed in, and no longer', [
    {
      name: 'agent.signed-out',
      promise: 'nothing that was kept is given after the person signed out',
      file: 'src/cli/who-asks.ts',
      find: "if (toFailure(error).code === 'usage') last = '';",
      replace: 'void toFailure(error);',
    },
  ]),
  ...provenBy(
    'test/agent/identities.test.ts',
    'the token in the file is renewed: the new one is shown, and that of another finds nothing kept',
    [
      {
        name: 'agent.who-now',
        promise: 'an agent finds anew who it is at each request',
        file: 'src/cli/who-asks.ts',
        find: 'last = JSON.stringify(whoAsks(call));',
        replace: 'last ||= JSON.stringify(whoAsks(call));',
      },
    ],
  ),
  ...provenBy(PROCESS, 'serves a granted connection, through outages and restarts, until it is refused', [
    {
      name: 'agent.token-file',
      promise: "the file with the agent's bearer is its owner's alone",
      file: 'src/cli/private-file.ts',
      find: 'fchmodSync(descriptor, mode);',
      replace: 'fchmodSync(descriptor, mode | 0o044);',
    },
  ]),
];
