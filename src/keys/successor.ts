// A standby that is to sign because the key before it is revoked: what AWS STS said of it, and what to do then.
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { LOOKS, standbyProof } from './canaries.ts';
import type { Locked } from './conditions.ts';
import type { RingKey } from './facts.ts';
import { hasProofs, listCanaries } from './proofs.ts';

/**
 * A revocation does not wait for AWS, but whoever asks for it is told beforehand that callers will be refused.
 * @returns what they are told where it is done
 * @throws Problem `standby_refused_by_sts` where STS has refused it often enough to be believed, unless the outage is accepted
 */
export async function warnOfSuccessor(
  trx: Transaction,
  { ring, now }: Pick<Locked, 'ring' | 'now'>,
  { kid }: RingKey,
  acceptOutage: boolean,
): Promise<string[]> {
  if (ring.purpose !== 'web_identity_token' || !(await hasProofs(trx))) return [];
  const looks = (await listCanaries(trx, [kid])).filter(({ about }) => about === 'standby');
  const { refusals } = standbyProof(looks, now);
  if (refusals === 0) return [];
  const code = looks.findLast(({ outcome }) => outcome === 'refused')?.code ?? 'unknown';
  const refused = `AWS STS refused the standby key ${kid} at the last ${refusals} looks (${code})`;
  if (refusals >= LOOKS && !acceptOutage)
    throw new Problem('standby_refused_by_sts', `${refused}, and it would sign now: callers would be refused.`, {
      hint: `Replace the standby first: countersign key revoke ${ring.issuer} ${kid}; its replacement signs once it is seasoned. If it must be now, repeat this with accept_outage: true.`,
      extra: { kid, aws_code: code },
    });
  return [
    `${refused}, and it signs now: callers may be refused. See that ${ring.issuer}'s JWKS is served anew everywhere (countersign key show ${ring.issuer}); where STS goes on refusing it, revoke it too.`,
  ];
}
