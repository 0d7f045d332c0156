// What only several processes over one PostgreSQL can lose: locks, and what one of them remembers.
import { type Defence, provenBy } from './defence.ts';
import { WITHOUT_EPOCH } from './epoch.ts';

const EPOCH = 'test/postgres/epoch.test.ts';
const REPLICAS = 'test/postgres/replicas.test.ts';
const ROLLING = 'test/postgres/rolling.test.ts';
const AMBIGUOUS = 'test/postgres/ambiguous-grants.test.ts';
const store = 'src/audit/store.ts';
const record = 'src/oauth/record.ts';

const onPostgres = (defence: Defence): Defence => ({ ...defence, engine: 'postgresql' });

export const replicas: Defence[] = [
  ...provenBy(EPOCH, 'an append alone: no row of an older decision commits after a suspension', [
    {
      name: 'replicas.epoch-locked',
      promise: 'the epoch is read FOR SHARE by every append',
      file: store,
      find: 'from policy_epoch where id = 1 for share)',
      replace: 'from policy_epoch where id = 1)',
    },
    {
      name: 'replicas.epoch-compared',
      promise: 'and compared with that of the decision',
      file: store,
      find: '${rowsTable(rows)}, standing where standing.epoch = ${epoch})',
      replace: '${rowsTable(rows)}, standing)',
    },
  ]),
  ...provenBy(
    EPOCH,
    'an append in a batch decided under several epochs: no row of an older decision commits after a suspension',
    [
      {
        name: 'replicas.epoch-locked-slow',
        promise: 'the same where a batch takes the longer way',
        file: store,
        find: '.forShare()',
        replace: '',
      },
    ],
  ),
  ...provenBy(EPOCH, 'a suspension waits for the appends that were decided before it, and for no later ones', [
    {
      name: 'replicas.suspension-locks',
      promise: 'a suspension takes its place in the queue, and its epoch is another',
      file: store,
      find: 'epoch + 1 + floor(random() * ${EPOCH_STEPS})::bigint',
      replace: 'epoch + 0 * ${EPOCH_STEPS}::bigint',
    },
  ]),
  ...provenBy(
    'test/postgres/replicas.test.ts',
    'what was decided before a suspension and is under way at its commit is handed out by none',
    [
      {
        name: 'replicas.under-way',
        promise: 'what is under way at three replicas when a suspension commits is handed out by none',
        ...WITHOUT_EPOCH,
      },
    ],
  ),
  ...provenBy('test/postgres/remembered.test.ts', 'suspended at one, refused at the other', [
    {
      name: 'replicas.epoch-of-tokens',
      promise: 'what a replica remembers of a workload never outlives a suspension at another',
      ...WITHOUT_EPOCH,
    },
  ]),
  ...provenBy(REPLICAS, 'minted at one, traded at the other; an assertion shown to all gives one token', [
    {
      name: 'replicas.replay',
      promise: 'replay is decided across replicas',
      file: record,
      find: 'epoch: client.epoch, replay: request.proof.replay }',
      replace: 'epoch: client.epoch }',
    },
  ]),
  ...provenBy(AMBIGUOUS, 'two label grants', [
    {
      name: 'replicas.ambiguous-grants',
      promise: 'two label grants written at once leave every connection with one answer',
      file: 'src/grants/ambiguity.ts',
      find: 'lock table grants in share row exclusive mode',
      replace: 'select 1',
    },
  ]),
  ...provenBy(AMBIGUOUS, 'a label grant, then labels', [
    {
      name: 'replicas.ambiguous-labels',
      promise: 'and labels written beside a grant, too',
      file: 'src/grants/ambiguity.ts',
      find: 'lock table grants in share mode',
      replace: 'select 1',
    },
  ]),
  ...provenBy(ROLLING, 'no request is dropped or fails, and no record is missing', [
    {
      name: 'replicas.drain',
      promise: 'a process that was told to stop says so before it closes its listeners',
      file: 'src/http/closing.ts',
      find: 'if (drainMs > 0) await delay(drainMs);',
      replace: '',
    },
    {
      name: 'replicas.ended-connections',
      promise: 'and ends the connections of those whom it still answers',
      file: 'src/http/closing.ts',
      find: 'response.shouldKeepAlive = false;',
      replace: '',
    },
  ]),
].map(onPostgres);
