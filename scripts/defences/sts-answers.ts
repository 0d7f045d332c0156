// What STS answers: held against what is pinned and asked, and told where it does not fit.
import { type Defence, provenBy } from './defence.ts';

const ANSWER = 'test/clouds/aws-answer.test.ts';
const DEGRADED = 'test/credentials/degraded.test.ts';
const FAULTS = 'test/credentials/sts-faults.test.ts';
const SUSPECT = 'test/connections/suspect.test.ts';
const answer = 'src/clouds/aws-answer.ts';
const exchange = 'src/credentials/exchange.ts';

export const stsAnswers: Defence[] = [
  ...provenBy(ANSWER, 'an answer is handed out where it is this role, this session, this long', [
    {
      name: 'answer.account',
      promise: "another account's credentials are not handed out",
      file: answer,
      find: "return 'AccountMismatch';",
      replace: 'return undefined;',
    },
    {
      name: 'answer.role-id',
      promise: 'nor those of a role that was created again',
      file: answer,
      find: "return 'role_recreated';",
      replace: 'return undefined;',
    },
    {
      name: 'answer.expiry',
      promise: 'nor those that end at another time',
      file: answer,
      find: "return 'ExpiryMismatch';",
      replace: 'return undefined;',
    },
    {
      name: 'answer.size',
      promise: 'nor those that no header takes',
      file: answer,
      find: "return 'AnswerTooLarge';",
      replace: 'return undefined;',
    },
  ]),
  ...provenBy(SUSPECT, 'a connection is degraded with its reason, and asked about again', [
    {
      name: 'answer.degrades',
      promise: 'a wrong answer degrades its connection',
      file: 'src/connections/verification/suspect.ts',
      find: 'await updateState(trx, row.id, state, reason);',
      replace: 'void updateState;',
    },
    {
      name: 'answer.generation',
      promise: 'and no other generation of it',
      file: 'src/connections/verification/suspect.ts',
      find: 'row?.generation === generation ?',
      replace: 'row !== undefined && generation > 0 ?',
    },
  ]),
  {
    name: 'answer.proves-nothing',
    promise: 'and a verification is no proof where STS answers it with the like',
    file: 'src/connections/verification/attempt.ts',
    find: 'if (fault !== undefined) {',
    replace: 'if (fault !== undefined && deps.issuerUrl === fault) {',
    test: [DEGRADED, 'AccountMismatch: degraded until STS answers what fits, and STS is not asked for each caller'],
  },
  {
    name: 'answer.endless',
    promise: 'an answer that is read to no end is none that fits, and is not asked for at every retry',
    file: 'src/clouds/aws-errors.ts',
    find: 'if (awsCode === TOO_LARGE && status < 300) {',
    replace: 'if (awsCode === TOO_LARGE && status < 0) {',
    test: [FAULTS, 'each fault: cold, once it is over, past half, for the next, and near the end'],
  },
  {
    name: 'answer.told-unrecorded',
    promise: 'nor does it hang on the row of the exchange',
    file: exchange,
    find: 'await dropped(fault, seen).finally(() => suspect({ connection: id, generation, exchange, reason: fault, roleId }));',
    replace:
      'await dropped(fault, seen);\n      await suspect({ connection: id, generation, exchange, reason: fault, roleId });',
    test: ['test/credentials/broker.test.ts', 'a lie of STS is told whether its row can be written or not'],
  },
  {
    name: 'answer.told',
    promise: 'an exchange that STS lied to degrades its connection',
    file: 'src/connections/verification/suspect.ts',
    find: 'if (await degrade(act, suspicion)) wake();',
    replace: 'void [act, suspicion, wake, degrade];',
    test: [DEGRADED, 'ExpiryMismatch: degraded until STS answers what fits, and STS is not asked for each caller'],
  },
];
