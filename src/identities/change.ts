// Giving a workload an identity of a platform's: sound, and nobody else's, whatever else is given at the same moment.
import { notFound } from '../clients/rules.ts';
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { createId } from '../ids.ts';
import { lockTrustedIssuer, type TrustedIssuer } from '../trusted-issuers/store.ts';
import { requireSound } from './check.ts';
import { overlap, type Rule, subjectsThatTake } from './match.ts';
import type { NewIdentity } from './schema.ts';
import { type Identity, insertIdentity, listIdentities, listNear, updateReportOnly } from './store.ts';

const MOST = 50;

/** One external identity belongs to one workload. The issuer's row is locked: nobody else gives one of it meanwhile. */
async function requireNobodyElses(
  trx: Transaction,
  { id, workload, trusted_issuer, ...rule }: Rule & { id?: string; workload: string; trusted_issuer: string },
): Promise<void> {
  const near = await listNear(trx, trusted_issuer, rule.subject, subjectsThatTake(rule.subject));
  const other = near.find((found) => !found.report_only && found.workload !== workload && overlap(found, rule));
  if (!other) return;
  throw new Problem('identity_overlaps', `The identity ${other.id} of ${other.workload} could have the same token.`, {
    hint: 'Name a claim in both that tells them apart, or take the other away first.',
  });
}

/**
 * @param reason why, where a wildcard is allowed
 * @throws Problem `not_found`, `identity_refused`, `identity_overlaps`, `conflict`
 */
export async function addIdentity(
  trx: Transaction,
  workload: string,
  given: NewIdentity,
  reason: string | undefined,
): Promise<{ identity: Identity; issuer: TrustedIssuer }> {
  const { subject, claims = {}, report_only = false, allow_wildcard = false } = given;
  requireSound({ subject, claims }, allow_wildcard);
  const issuer = await lockTrustedIssuer(trx, given.trusted_issuer);
  if (!issuer) throw notFound('trusted-issuer', given.trusted_issuer);
  if ((await listIdentities(trx, workload)).length >= MOST)
    throw new Problem('conflict', `There are ${MOST} identities already.`, { hint: 'Delete one first.' });
  const wanted = { workload, trusted_issuer: issuer.id, subject, claims };
  if (!report_only) await requireNobodyElses(trx, wanted);
  const wildcard_reason = allow_wildcard ? (reason as string) : null;
  return {
    identity: await insertIdentity(trx, { id: createId('wi'), ...wanted, report_only, wildcard_reason }),
    issuer,
  };
}

/** @throws Problem `identity_overlaps` */
export async function setReportOnly(
  trx: Transaction,
  identity: Identity,
  reportOnly: boolean,
): Promise<{ identity: Identity; issuer: TrustedIssuer }> {
  const issuer = (await lockTrustedIssuer(trx, identity.trusted_issuer)) as TrustedIssuer;
  if (!reportOnly) await requireNobodyElses(trx, identity);
  return { identity: await updateReportOnly(trx, identity.id, reportOnly), issuer };
}
