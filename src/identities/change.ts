// Giving a client an identity of a trusted issuer: sound, and nobody else's, whatever else is given at the same moment.
import { notFound } from '../clients/rules.ts';
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { createId } from '../ids.ts';
import { lockTrustedIssuer, type TrustedIssuer } from '../trusted-issuers/store.ts';
import { requireForPerson, requireSound } from './check.ts';
import { overlap, subjectsThatTake } from './match.ts';
import type { NewIdentity } from './schema.ts';
import { type Identity, insertIdentity, listIdentities, listNear, updateReportOnly } from './store.ts';

const MOST = 50;

/** `wl` or `ad`. */
const registryOf = (owner: string): string => owner.slice(0, 2);

/**
 * One external identity belongs to one workload, or of a person to one administrator and one workload. The issuer's row is
 * locked: nobody else gives one of it meanwhile.
 */
async function requireNobodyElses(
  trx: Transaction,
  wanted: Pick<Identity, 'owner' | 'person' | 'trusted_issuer' | 'subject' | 'claims'>,
): Promise<void> {
  const { owner } = wanted;
  const near = (await listNear(trx, wanted, subjectsThatTake(wanted.subject))).filter(
    (found) => !found.report_only && registryOf(found.owner) === registryOf(owner),
  );
  const other = near.find((found) => found.owner !== owner && overlap(found, wanted));
  if (!other) return;
  throw new Problem('identity_overlaps', `The identity ${other.id} of ${other.owner} could have the same token.`, {
    hint: 'Name a claim in both that tells them apart, or take the other away first.',
  });
}

export interface Owner {
  /** `wl_…` or `ad_…`. */
  id: string;
  /** Whether it is to be proved by a person's sign-in, and by nothing else. */
  person: boolean;
}

/**
 * @param reason why, where a wildcard is allowed
 * @throws Problem `not_found`, `identity_refused`, `identity_overlaps`, `conflict`
 */
export async function addIdentity(
  trx: Transaction,
  { id: owner, person }: Owner,
  given: NewIdentity,
  reason: string | undefined,
): Promise<{ identity: Identity; issuer: TrustedIssuer }> {
  const { subject, claims = {}, report_only = false, allow_wildcard = false } = given;
  requireSound({ subject, claims }, allow_wildcard);
  const issuer = await lockTrustedIssuer(trx, given.trusted_issuer, 'give');
  if (!issuer) throw notFound('trusted-issuer', given.trusted_issuer);
  if (person) requireForPerson(issuer, allow_wildcard);
  if ((await listIdentities(trx, owner)).length >= MOST)
    throw new Problem('conflict', `There are ${MOST} identities already.`, { hint: 'Delete one first.' });
  const wanted = { owner, person, trusted_issuer: issuer.id, subject, claims };
  if (!report_only) await requireNobodyElses(trx, wanted);
  const wildcard_reason = allow_wildcard ? (reason as string) : null;
  const id = createId(person ? 'pi' : 'wi');
  return { identity: await insertIdentity(trx, { id, ...wanted, report_only, wildcard_reason }), issuer };
}

/** @throws Problem `identity_overlaps` */
export async function setReportOnly(
  trx: Transaction,
  identity: Identity,
  reportOnly: boolean,
): Promise<{ identity: Identity; issuer: TrustedIssuer }> {
  const issuer = (await lockTrustedIssuer(trx, identity.trusted_issuer, 'give')) as TrustedIssuer;
  if (!reportOnly) await requireNobodyElses(trx, identity);
  return { identity: await updateReportOnly(trx, identity.id, reportOnly), issuer };
}
