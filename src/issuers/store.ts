// Rows of issuers, and the issuer URL that connections trust.
import type { Transaction } from '../db/connect.ts';
import { StartError } from '../errors.ts';

/** @returns whether the row is new. */
export async function insertIssuer(
  trx: Transaction,
  issuer: { id: string; kind: 'platform' | 'connection' },
): Promise<boolean> {
  const inserted = await trx
    .insertInto('issuers')
    .values(issuer)
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  return inserted !== undefined;
}

/**
 * Remembers ISSUER_URL at the first start, and holds later ones to it while connections trust it.
 * @throws StartError `issuer_url_changed`
 */
export async function assertIssuerUrl(trx: Transaction, issuerUrl: string): Promise<void> {
  await trx
    .insertInto('service')
    .values({ id: 1, issuer_url: issuerUrl })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const row = await trx
    .selectFrom('service')
    .select('issuer_url')
    .where('id', '=', 1)
    .forUpdate()
    .executeTakeFirstOrThrow();
  if (row.issuer_url === issuerUrl) return;
  const trusting = await trx
    .selectFrom('connections')
    .select('id')
    .where('state', '!=', 'disconnected')
    .limit(1)
    .executeTakeFirst();
  if (trusting) {
    throw new StartError(
      'issuer_url_changed',
      `Connections of this database trust ${row.issuer_url}, and ISSUER_URL is ${issuerUrl}: their accounts would refuse every token.`,
      `Set ISSUER_URL to ${row.issuer_url}, or disconnect those connections first.`,
    );
  }
  await trx.updateTable('service').set({ issuer_url: issuerUrl }).where('id', '=', 1).execute();
}
