// The seal: every path that mints reads it under the epoch, and whoever waits to be on record when it commits is refused.
import { type Defence, provenBy } from './defence.ts';

const SEAL = 'test/seal/seal.test.ts';
const RACES = 'test/postgres/seal.test.ts';
const decideToken = 'src/oauth/decide.ts';
const verifier = 'src/connections/verifier.ts';

const BUMP = {
  file: 'src/audit/act.ts',
  find: 'if (affectsDecisions && records.length > 0) await bumpEpoch(trx);',
  replace: 'void [affectsDecisions, bumpEpoch];',
};

export const seal: Defence[] = [
  ...provenBy(SEAL, 'sealed: nothing is minted, everything else goes on, and unsealed it mints again', [
    {
      name: 'seal.tokens',
      promise: 'a sealed service gives no token',
      ...{ file: decideToken, find: 'refuseSealed(client);', replace: 'void refuseSealed;' },
    },
    {
      name: 'seal.broker',
      promise: 'a sealed service asks STS for nobody',
      ...{ file: 'src/grants/decide.ts', find: 'refuseSealed(standing);', replace: 'void refuseSealed;' },
    },
    {
      name: 'seal.verifier',
      promise: 'a sealed service mints nothing to verify connections with',
      file: verifier,
      find: 'if (limit <= 0 || (await readStanding(db)).seal) return 0;',
      replace: 'if (limit <= 0) return 0;',
      also: [
        {
          file: verifier,
          find: 'const row = seal ? undefined : await findConnection(db, connection);',
          replace: 'const row = await findConnection(db, connection); void seal;',
        },
      ],
    },
    {
      name: 'seal.readiness',
      promise: 'readiness says that the service is sealed',
      ...{
        file: 'src/readiness.ts',
        find: 'if (seal) return describeSeal(seal);',
        replace: 'if (!describeSeal) return seal?.by;',
      },
    },
    {
      name: 'seal.lifted',
      promise: 'what is remembered of a sealed time refuses nobody after it',
      ...{ file: 'src/oauth/own-key.ts', find: 'row.seal === undefined &&', replace: '' },
    },
  ]),
  ...provenBy(RACES, 'sealed at one replica, refused at the other, though it remembers the client', [
    { name: 'seal.epoch', promise: 'a seal is obeyed by every replica from its commit', ...BUMP, engine: 'postgresql' },
  ]),
  ...provenBy(RACES, 'a verification that was decided before the seal commits shows STS nothing after', [
    {
      name: 'seal.verification-epoch',
      promise: "a verification's token is on record under the epoch that it was decided in",
      ...{ file: 'src/service.ts', find: '        epoch,\n        entry:', replace: '        entry:' },
      engine: 'postgresql',
    },
  ]),
  ...provenBy(RACES, 'a token that was signed before the seal commits is not given after', [
    {
      name: 'seal.race',
      promise: 'a token decided before a seal is decided again after it',
      ...{ file: decideToken, find: 'refuseSealed(client);', replace: 'void refuseSealed;' },
      engine: 'postgresql',
    },
  ]),
  ...provenBy(SEAL, 'sealing takes a reason, from whoever it is', [
    {
      name: 'seal.reason',
      promise: 'nobody seals or unseals without a reason',
      ...{
        file: 'src/http/caller.ts',
        find: 'if (reason !== undefined) return reason;',
        replace: "return reason ?? '';",
      },
    },
  ]),
  {
    name: 'seal.memory',
    promise: 'sealed, the sessions of before leave the memory by themselves',
    file: 'src/tasks.ts',
    find: 'sessions.sweep(await readStanding(db));',
    replace: 'await readStanding(db);',
    test: [SEAL, 'sealed: nothing is minted, everything else goes on, and unsealed it mints again'],
  },
  {
    name: 'seal.memory-at-once',
    promise: 'and at once where somebody asks',
    file: 'src/credentials/broker.ts',
    find: 'sessions.clear();',
    replace: 'void sessions;',
    test: ['test/credentials/broker.test.ts', 'a decision that the service is sealed empties the memory'],
  },
];
