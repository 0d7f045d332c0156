// `countersign doctor` on key-encryption keys: those that processes open, and those that AWS KMS has.
import t from 'tap';
import type { Api } from '../../src/cli/api.ts';
import type { Check } from '../../src/cli/doctor/findings.ts';
import { checkKeks, checkKmsKeks } from '../../src/cli/doctor/keys.ts';
import { runChecks } from '../../src/cli/doctor/run.ts';
import type { Config } from '../../src/config.ts';
import { giveCredentials, startStandInKms } from '../support/kms.ts';

t.test(
  'key-encryption keys: one that a process does not open, a rotation that stands, a KMS that refuses',
  async (t) => {
    const seen = {
      keks: [
        { id: 'a', wraps: true, private_halves: 2 },
        { id: 'b', wraps: false, private_halves: 1 },
        { id: 'c', wraps: false, private_halves: 0 },
      ],
      rotation: { remaining: 1, trouble: '1 private halves do not open: x' },
      replicas: [
        { host: 'one', opens: ['a', 'b', 'c'] },
        { host: 'two', opens: ['a'] },
      ],
    };
    const api = { get: async () => seen } as unknown as Api;
    const { findings } = await runChecks([checkKeks(api)]);
    t.match(findings, [
      { code: 'kek_not_everywhere', severity: 'failure', subject: 'b', detail: /on two/ },
      { code: 'kek_rotation_stands', severity: 'failure', detail: /do not open: x/ },
    ]);
    t.equal(findings.length, 2, 'what wraps nothing need not be opened');

    giveCredentials(t);
    const kms = await startStandInKms(t);
    const config = {
      keks: [{ kmsKey: kms.make().arn }],
      kmsEndpointUrl: kms.url,
    } as unknown as Config;
    const look = async () => (await runChecks([checkKmsKeks(config) as Check])).findings;
    t.match(await look(), [{ code: 'kek_kms', severity: 'ok' }]);
    t.equal(checkKmsKeks({ ...config, keks: [{ file: 'x' }] }), undefined);
    const wrong = { ...config, keks: [{ kmsKey: kms.make('HMAC_256').arn }] };
    t.match((await runChecks([checkKmsKeks(wrong) as Check])).findings, [
      { code: 'kek_kms', severity: 'failure', detail: /of the kind HMAC_256.*kek_unfit/, hint: /symmetric/ },
    ]);
  },
);
