// One look at STS: what the token says, what the session may do, and whose account it must be.
import t from 'tap';
import { Problem } from '../../src/errors.ts';
import { attemptVerification } from '../../src/connections/verification/attempt.ts';
import type { ConnectionRow } from '../../src/connections/store.ts';
import { ISSUER_URL } from './api.ts';
import { createFakeCloud, denied } from './fake-cloud.ts';

const row = (more: Partial<ConnectionRow> = {}): ConnectionRow =>
  ({
    ...{
      id: 'cn_one',
      issuer: 'is_one',
      subject: 'cn_one',
      algorithm: 'ES256',
      account_id: '111122223333',
      partition: 'aws',
      region: 'eu-west-1',
    },
    ...{
      role_name: 'their-role',
      role_arn: 'arn:aws:iam::111122223333:role/their-role',
      session_tags: false,
      source_identity: false,
      ...more,
    },
  }) as ConnectionRow;

t.test('the session can do nothing, and is named so that it can be told', async (t) => {
  const cloud = createFakeCloud();
  const { outcome, evidence } = await attemptVerification(cloud, row(), 1);
  t.same(outcome, { ok: true, roleId: 'AROAFIRST' });
  t.same(cloud.minted, [
    {
      issuer: 'is_one',
      algorithm: 'ES256',
      subject: 'cn_one',
      roleArn: row().role_arn,
      sourceIdentity: undefined,
      tags: undefined,
    },
  ]);
  const [{ policy = '', ...asked } = { policy: '' }] = cloud.assumed;
  t.same(asked, {
    region: 'eu-west-1',
    roleArn: row().role_arn,
    roleSessionName: 'countersign-verify',
    token: 'token-1',
    durationSeconds: 900,
  });
  t.same(JSON.parse(policy), { Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: '*', Resource: '*' }] });
  t.match(cloud.identified, [{ region: 'eu-west-1', accessKeyId: 'ASIAVERIFY', sessionToken: row().role_arn }]);
  t.same(evidence, { kid: 'kid-1', jti: 'jti-1', access_key_id: 'ASIAVERIFY', request_id: 'req-1' });
  t.notMatch(JSON.stringify({ outcome, evidence }), /secret-canary|token-1/);
});

t.test('it carries what exchanges will carry', async (t) => {
  const cloud = createFakeCloud();
  await attemptVerification(cloud, row({ session_tags: true, source_identity: true }), 1);
  t.match(cloud.minted, [{ sourceIdentity: 'countersign-verify', tags: { 'countersign:session': 'verify' } }]);
});

t.test('another account, role or session is no proof', async (t) => {
  const cloud = createFakeCloud();
  const looks: [typeof cloud.identity, string][] = [
    [{ account: '999999999999' }, 'AccountMismatch'],
    [{ arn: 'arn:aws:sts::111122223333:assumed-role/other/countersign-verify' }, 'RoleMismatch'],
    [{ arn: 'arn:aws:sts::111122223333:assumed-role/their-role/other' }, 'RoleMismatch'],
    [{ userId: 'AROAOTHER:countersign-verify' }, 'RoleMismatch'],
  ];
  for (const [identity, code] of looks) {
    cloud.identity = identity;
    const { outcome } = await attemptVerification(cloud, row(), 1);
    t.match(outcome, { ok: false, side: 'account_owner', code, detail: /111122223333/ });
  }
});

t.test('an answer that no exchange would hand out is no proof', async (t) => {
  const cloud = createFakeCloud();
  const looks: [typeof cloud.session, string][] = [
    [{ assumedRoleArn: 'arn:aws:sts::999999999999:assumed-role/their-role/countersign-verify' }, 'AccountMismatch'],
    [{ assumedRoleArn: 'arn:aws:sts::111122223333:assumed-role/other/countersign-verify' }, 'RoleMismatch'],
    [{ assumedRoleId: 'AROAFIRST:other' }, 'RoleMismatch'],
    [{ expiration: new Date(Date.now() + 86_400_000) }, 'ExpiryMismatch'],
    [{ sessionToken: 'x'.repeat(16_385) }, 'AnswerTooLarge'],
  ];
  for (const [session, code] of looks) {
    cloud.session = session;
    const { outcome } = await attemptVerification(cloud, row(), 1);
    t.match(outcome, { ok: false, side: 'account_owner', code, detail: /^AWS STS answered with .+\. \S/ }, code);
  }
  t.same(cloud.identified, [], 'and nobody is asked with it');
});

t.test('a token is on record before STS sees it, or STS does not', async (t) => {
  const cloud = createFakeCloud();
  await attemptVerification(cloud, row(), 1);
  t.same(cloud.recorded, ['jti-1']);
  cloud.recordIntent = async () => {
    throw new Problem('unavailable', 'The audit record could not be written.');
  };
  t.match((await attemptVerification(cloud, row(), 1)).outcome, { ok: false, side: 'ours', code: 'unavailable' });
  t.equal(cloud.assumed.length, 1, 'STS was asked the first time alone');
});

t.test('refusals come with the line to mend, for this very connection', async (t) => {
  const cloud = createFakeCloud();
  cloud.answer = () => denied();
  const { outcome, evidence } = await attemptVerification(cloud, row(), 1);
  t.match(outcome, { ok: false, side: 'account_owner', code: 'AccessDenied' });
  const { detail } = outcome as { detail: string };
  for (const part of [`${ISSUER_URL}/c/is_one`, 'id.example.com/c/is_one:sub": "cn_one"', row().role_arn])
    t.ok(detail.includes(part), part);
  t.same(evidence, { kid: 'kid-1', jti: 'jti-1', request_id: 'req-denied' });
  cloud.mintWebIdentityToken = async () => {
    throw new Problem('unavailable', 'The issuer has no key that signs.');
  };
  t.same(await attemptVerification(cloud, row(), 1), {
    outcome: { ok: false, side: 'ours', code: 'unavailable', detail: 'The issuer has no key that signs.' },
    evidence: {},
  });
  cloud.mintWebIdentityToken = async () => {
    throw new TypeError('a bug');
  };
  await t.rejects(attemptVerification(cloud, row(), 1), TypeError);
});
