// What STS answers is held against what is pinned: account, role, role id, expiry, size.
import t from 'tap';
import type { AssumedSession } from '../../src/clouds/aws.ts';
import { findAnswerFault } from '../../src/clouds/aws-answer.ts';
import { answerOf, createSteppedClock, decisionOf } from '../credentials/world.ts';

const clock = createSteppedClock();
const sessionName = 'billing-aaaaaaaa';
const input = {
  ...{ region: 'us-east-1', roleArn: 'arn:aws:iam::111122223333:role/r', roleSessionName: sessionName },
  ...{ token: 't', durationSeconds: 3600 },
};
const inSeconds = (seconds: number): Date => new Date(clock.wall() + seconds * 1000);
const arn = (account: string, rest: string): string => `arn:aws:sts::${account}:assumed-role/${rest}`;

t.test('an answer is handed out where it is this role, this session, this long', async (t) => {
  const { aws } = decisionOf();
  const judge = (answer: Partial<AssumedSession>, roleId: string | null = aws.role_id) =>
    findAnswerFault(
      answerOf(input, clock, answer),
      { aws: { ...aws, role_id: roleId }, sessionName, durationSeconds: 3600 },
      clock.wall(),
    );
  const cases: [string, Partial<AssumedSession>, string | undefined][] = [
    ['as asked', {}, undefined],
    ["AWS's clock four minutes ahead", { expiration: inSeconds(3600 + 240) }, undefined],
    ["AWS's clock four minutes behind", { expiration: inSeconds(3600 - 240) }, undefined],
    ['six minutes ahead', { expiration: inSeconds(3600 + 360) }, 'ExpiryMismatch'],
    ['six minutes behind', { expiration: inSeconds(3600 - 360) }, 'ExpiryMismatch'],
    ['over already', { expiration: inSeconds(-1) }, 'ExpiryMismatch'],
    ['no time at all', { expiration: new Date(Number.NaN) }, 'ExpiryMismatch'],
    ['another account', { assumedRoleArn: arn('999999999999', `r/${sessionName}`) }, 'AccountMismatch'],
    ['another role', { assumedRoleArn: arn('111122223333', `admin/${sessionName}`) }, 'RoleMismatch'],
    ["another workload's session", { assumedRoleArn: arn('111122223333', 'r/other-bbbbbbbb') }, 'RoleMismatch'],
    ['another session by its id', { assumedRoleId: 'AROAEXAMPLE:other-bbbbbbbb' }, 'RoleMismatch'],
    ['no id', { assumedRoleId: `:${sessionName}` }, 'RoleMismatch'],
    ['another role of the same name', { assumedRoleId: `AROAOTHER:${sessionName}` }, 'role_recreated'],
    ['a token as large as any', { sessionToken: 'x'.repeat(16_384) }, undefined],
    ['a token that no header takes', { sessionToken: 'x'.repeat(16_385) }, 'AnswerTooLarge'],
    ['a key that is none', { secretAccessKey: 'x'.repeat(257) }, 'AnswerTooLarge'],
  ];
  for (const [name, answer, fault] of cases) t.equal(judge(answer), fault, name);
  t.equal(judge({ assumedRoleId: `AROAOTHER:${sessionName}` }, null), undefined, 'nothing is pinned yet');
});
