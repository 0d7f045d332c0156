// Tokens by the platform's own key that nobody would mint: what only the claims can refuse.
import { systemClock } from '../../src/clock.ts';
import { randomUUID } from 'node:crypto';
import { createAwsKms } from '../../src/clouds/aws-kms.ts';
import { createLocalSigner } from '../../src/keys/signer.ts';
import { loadKeyring } from '../../src/keys/keyring/load.ts';
import { findRing } from '../../src/keys/facts.ts';
import { activeKey } from '../../src/keys/timeline.ts';
import type { TestService } from './service.ts';

export type Forge = (claims: Record<string, unknown>, header?: Record<string, unknown>) => Promise<string>;

/** The signer of the service's own ring, opened beside the service; `claims` and `header` replace what is right. */
export async function createForge({ database, config }: TestService): Promise<Forge> {
  const signer = createLocalSigner({
    db: database.db,
    keyring: await loadKeyring(database.db, { sources: config.keks, mayCreate: false, kms: createAwsKms() }),
    clock: systemClock,
  });
  return async (claims, header = {}) => {
    const ring = await findRing(database.db, 'platform:ES256');
    const { kid } = activeKey(ring?.keys ?? [], Date.now()) as { kid: string };
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      iss: config.issuerUrl,
      sub: 'host',
      client_id: 'host',
      aud: `${config.issuerUrl}/v1`,
      iat: now,
      exp: now + 900,
      jti: randomUUID(),
      ...claims,
    };
    const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
    const data = `${encode({ alg: 'ES256', typ: 'at+jwt', kid, ...header })}.${encode(payload)}`;
    return `${data}.${Buffer.from(await signer.sign(kid, Buffer.from(data))).toString('base64url')}`;
  };
}
