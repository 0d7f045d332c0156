// The broker and its records: whose token, decided when, written before STS and before the answer.
import { type Defence, provenBy } from './defence.ts';
import { WITHOUT_EPOCH } from './epoch.ts';

const MAIN_JOB = 'test/credentials/main-job.test.ts';
const CALLERS = 'test/oauth/callers.test.ts';
const BROKER = 'test/credentials/broker.test.ts';
const STREAM = 'test/audit/stream.test.ts';
const RECORD = 'test/oauth/record.test.ts';
const path = 'src/credentials/broker.ts';
const authorize = 'src/credentials/authorize.ts';
const exchange = 'src/credentials/exchange.ts';
const recordFile = 'src/credentials/record.ts';
const routes = 'src/credentials/routes.ts';
const refused = 'src/tokens/refused.ts';
const stream = 'src/audit/stream.ts';
const store = 'src/audit/store.ts';

export const broker: Defence[] = [
  ...provenBy(MAIN_JOB, 'refusals, each with its code and its hint, each on record', [
    {
      name: 'broker.audience',
      promise: "a sibling connection's token is refused",
      file: routes,
      find: "(parsed.connection === connection || !connection.startsWith('cn_'))",
      replace: 'true',
      also: [
        {
          file: authorize,
          find: 'ask.onlyConnection !== undefined && connection.id !== ask.onlyConnection',
          replace: 'false',
        },
      ],
    },
    {
      name: 'broker.refusals',
      promise: 'refused exchanges are rows',
      file: refused,
      find: 'await refusals.record({ kind, actor,',
      replace: "if (kind !== 'exchange.refused') await refusals.record({ kind, actor,",
    },
    {
      name: 'broker.limits',
      promise: "the grant's limits apply to each hand-out",
      file: authorize,
      find: 'grant: grant.max_session_seconds,',
      replace: 'grant: 43_200,',
    },
    {
      name: 'broker.deny-only',
      promise: "a caller's Allow never reaches STS",
      file: 'src/grants/session-policy.ts',
      find: "statements.some(({ Effect }) => Effect !== 'Deny')",
      replace: 'false',
    },
  ]),
  ...provenBy(CALLERS, 'credentials are for their own audiences: not for a token of the API, nor of another service', [
    {
      name: 'broker.audience-kinds',
      promise: 'a token for the API gets no credentials',
      file: routes,
      find: "if (parsed?.kind === 'credentials') return true;",
      replace: "if (parsed?.kind === 'credentials' || parsed?.kind === 'api') return true;",
    },
  ]),
  ...provenBy(BROKER, 'a token for one connection is for no other, however the other is named', [
    {
      name: 'broker.audience-by-reference',
      promise: 'nor by reference',
      file: authorize,
      find: 'ask.onlyConnection !== undefined && connection.id !== ask.onlyConnection',
      replace: 'false',
    },
  ]),
  ...provenBy(MAIN_JOB, 'without a durable record there is no answer, and STS is not asked', [
    {
      name: 'broker.intent',
      promise: 'the intent is durable before STS is asked',
      file: exchange,
      find: "await stream.append({ entry: { kind: 'exchange.intent', ...named, details }, epoch: decision.epoch });",
      replace: 'void details;',
    },
    {
      name: 'broker.intent-awaited',
      promise: 'and waited for',
      file: exchange,
      find: "await stream.append({ entry: { kind: 'exchange.intent'",
      replace: "void stream.append({ entry: { kind: 'exchange.intent'",
      also: [
        { file: exchange, find: 'epoch: decision.epoch });', replace: 'epoch: decision.epoch }).catch(() => {});' },
      ],
    },
    {
      name: 'broker.outcome',
      promise: 'the outcome is durable before the answer',
      file: exchange,
      find: 'recordDecided(stream, outcome(obtained),',
      replace: 'recordDecided({ append: async () => {} }, outcome(obtained),',
    },
    {
      name: 'broker.handout',
      promise: 'each hand-out is durable before its answer, of a session that is kept too',
      file: path,
      find: "recordDecided(stream, { kind: 'credentials.handed_out',",
      replace: "recordDecided({ append: async () => {} }, { kind: 'credentials.handed_out',",
    },
  ]),
  ...provenBy(BROKER, 'what was suspended between the decision and its record gets nothing, and STS is not asked', [
    {
      name: 'broker.intent-epoch',
      promise: 'no intent commits after a suspension',
      file: exchange,
      find: 'epoch: decision.epoch });',
      replace: '});',
    },
  ]),
  ...provenBy(BROKER, 'what changed while STS was asked is decided again, and dropped where it no longer stands', [
    {
      name: 'broker.outcome-epoch',
      promise: 'no session is kept that was decided otherwise while STS was asked',
      file: exchange,
      find: 'recordDecided(stream, outcome(obtained),',
      replace: 'recordDecided({ append: ({ entry }) => stream.append({ entry }) }, outcome(obtained),',
    },
    {
      name: 'broker.outcome-stands',
      promise: 'what was decided otherwise meanwhile is dropped',
      file: recordFile,
      find: 'again.key !== first.key',
      replace: 'false',
    },
  ]),
  ...provenBy(BROKER, 'a hand-out shares the commit of the outcome, and is not given before it', [
    {
      name: 'broker.handout-waits',
      promise: 'nothing is handed out whose outcome is not durable, its own row or not',
      file: path,
      find: '});\n    await given.recorded;',
      replace: '});',
    },
    {
      name: 'broker.one-commit',
      promise: 'an outcome and its hand-outs are one commit',
      file: stream,
      find: 'await turnOfLoop();',
      replace: 'void turnOfLoop;',
    },
  ]),
  ...provenBy(BROKER, 'an epoch that never stands is given up after three decisions', [
    {
      name: 'broker.decisions',
      promise: 'three decisions, then 503',
      file: 'src/audit/decisions.ts',
      find: 'const DECISIONS = 3;',
      replace: 'const DECISIONS = 4;',
    },
  ]),
  ...provenBy(BROKER, 'limits are refused before anything is minted', [
    {
      name: 'broker.limits-first',
      promise: 'limits come before mint and STS',
      file: path,
      find: 'return await authorize(deps.decide, token, ask);',
      replace: 'await deps.draftWebIdentityToken({} as never);\n      return await authorize(deps.decide, token, ask);',
    },
  ]),
  ...provenBy(BROKER, 'one hand-out: an intent, STS, an outcome, and the hand-out itself', [
    {
      name: 'broker.session-name',
      promise: 'nothing that a caller sends reaches RoleSessionName',
      file: exchange,
      find: 'roleSessionName: roleSessionName(workload)',
      replace: 'roleSessionName: `${workload.slug}-${decision.grant.purpose}`',
    },
  ]),
  ...provenBy(STREAM, 'an append decided under another epoch is left out', [
    { name: 'audit.epoch', promise: 'a row decided under another epoch is left out', ...WITHOUT_EPOCH },
    {
      name: 'audit.epoch-slow',
      promise: 'the same where appends of several epochs share a batch',
      file: stream,
      find: 'pending.epoch !== undefined && pending.epoch !== epoch',
      replace: 'false',
    },
    {
      name: 'audit.epoch-bumped',
      promise: 'every change that decisions rest on bumps the epoch',
      file: 'src/audit/act.ts',
      find: 'await bumpEpoch(trx);',
      replace: 'void bumpEpoch;',
    },
  ]),
  ...provenBy(STREAM, 'a replay key is taken once: in one batch, across batches, across processes', [
    {
      name: 'audit.replay',
      promise: 'replay is decided by one atomic insert, across replicas',
      file: stream,
      find: 'pending.replay && !fresh.delete(`${pending.replay.issuer}\\n${pending.replay.jti}`)',
      replace: 'false',
    },
    {
      name: 'audit.replay-issuer',
      promise: 'replay is keyed on (issuer, jti)',
      file: store,
      find: 'records = keys.map((key) => ({ issuer: key.issuer,',
      replace: "records = keys.map((key) => ({ issuer: 'x',",
    },
  ]),
  ...provenBy(STREAM, 'a row that was altered, removed or moved breaks the chain', [
    {
      name: 'audit.chain',
      promise: 'each row is chained to the one before it',
      file: 'src/audit/chain.ts',
      find: '.update(previous)',
      replace: '',
    },
  ]),
  ...provenBy(STREAM, 'a batch that fails answers nobody, and the next one goes on from what was committed', [
    {
      name: 'audit.failed-batch',
      promise: 'no record, no answer',
      file: stream,
      find: 'for (const pending of batch) pending.reject(problem);',
      replace: 'for (const pending of batch) pending.resolve();\n      void problem;',
    },
  ]),
  ...provenBy(STREAM, 'the queue is bounded and a deadline is kept', [
    {
      name: 'audit.queue',
      promise: 'no unbounded queue',
      file: stream,
      find: 'queue.length >= maxQueue',
      replace: 'false',
    },
    {
      name: 'audit.deadline',
      promise: '503 within a second',
      file: stream,
      find: "reject(unavailable('The audit record was not durable in time.'))",
      replace: '{}',
    },
  ]),
  ...provenBy(RECORD, 'no token without its record', [
    {
      name: 'audit.token',
      promise: 'every token minted is a row, durable before the caller hears',
      file: 'src/oauth/record.ts',
      find: 'await stream.append({ entry, epoch: client.epoch, replay: request.proof.replay });',
      replace: 'await stream.append({ epoch: client.epoch, replay: request.proof.replay });',
    },
    {
      name: 'audit.token-of-the-host',
      promise: "the host's tokens are rows, too",
      file: 'src/oauth/host-socket.ts',
      find: 'await stream.append({',
      replace: 'void ({',
    },
  ]),
  ...provenBy(RECORD, 'no change without its record', [
    {
      name: 'audit.act',
      promise: 'every administrative act is a row, in its own transaction',
      file: 'src/audit/act.ts',
      find: 'return { result, entries, inTime };',
      replace: 'return { result, entries: entries.slice(0, 0) };',
    },
  ]),
  ...provenBy(RECORD, 'refused calls of somebody known are rows', [
    {
      name: 'audit.refused',
      promise: 'refused authenticated calls are rows',
      file: refused,
      find: 'await refusals.record({ kind, actor,',
      replace: "if (kind !== 'call.refused') await refusals.record({ kind, actor,",
    },
  ]),
  ...provenBy(RECORD, 'a refusal that cannot be recorded says no more than that', [
    {
      name: 'audit.refused-unrecorded',
      promise: 'not even a refusal without its record',
      file: refused,
      find: 'return sendProblem(unrecorded, request, reply);',
      replace: 'void unrecorded;',
    },
  ]),
];
