// What must be in a database before anything listens: the issuer URL it serves, a key policy, the platform's ring.
import { type Act, SYSTEM } from './audit/act.ts';
import { PLATFORM } from './issuers/documents.ts';
import { assertIssuerUrl, insertIssuer } from './issuers/store.ts';
import type { KeyPolicy } from './keys/policy.ts';
import { seedPolicy } from './keys/policies.ts';
import type { Rings } from './keys/rings.ts';
import type { ReadClock } from './keys/store.ts';

/**
 * Idempotent, and safe when several replicas start at once: whoever inserts the issuer's row makes its ring.
 * @throws StartError `issuer_url_changed`, `key_policy_unsound`
 */
export async function prepareDatabase({
  act,
  rings,
  readClock,
  issuerUrl,
  keyPolicy,
}: {
  act: Act;
  rings: Rings;
  readClock: ReadClock;
  issuerUrl: string;
  keyPolicy: KeyPolicy;
}): Promise<void> {
  const prepared = await rings.prepare({ issuer: PLATFORM, algorithm: 'ES256', purpose: 'workload_token' });
  await act(SYSTEM, async (trx) => {
    await assertIssuerUrl(trx, issuerUrl);
    const seeded = await seedPolicy(trx, keyPolicy, readClock);
    const born = await insertIssuer(trx, { id: PLATFORM, kind: 'platform' });
    if (born) await rings.insert(trx, prepared, SYSTEM);
    const records = [
      ...(seeded ? [{ kind: 'key_policy.seeded', details: { ...keyPolicy } }] : []),
      ...(born
        ? [
            {
              kind: 'issuer.created',
              details: { issuer: PLATFORM, url: issuerUrl, kids: prepared.keys.map((key) => key.kid) },
            },
          ]
        : []),
    ];
    return { result: undefined, records, affectsDecisions: false };
  });
}
