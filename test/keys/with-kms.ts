// One ring whose process knows a stand-in for AWS KMS as a system that may hold its private halves.
import type { Test } from 'tap';
import { createAwsKms } from '../../src/clouds/aws-kms.ts';
import { createKmsHolder } from '../../src/keys/held/aws-kms.ts';
import { createKeysFixture } from '../support/keys.ts';
import { giveCredentials, startStandInKms } from '../support/kms.ts';
import { PATIENCE_MS } from '../support/until.ts';

export async function openWithKms(t: Test) {
  giveCredentials(t);
  const standIn = await startStandInKms(t);
  const kms = createAwsKms({ endpointUrl: standIn.url, timeoutMs: PATIENCE_MS });
  t.teardown(() => kms.close());
  const holders = { aws_kms: createKmsHolder(kms, 'https://id.example.com') };
  return { standIn, kms, holders, fixture: await createKeysFixture(t, { holders }) };
}
