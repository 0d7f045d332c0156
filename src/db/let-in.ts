// Whether an identity still lets in, as SQL: for what is decided in one statement with it.
import { type RawBuilder, sql } from 'kysely';

/** `pi_…`; of a platform's it is `wi_…`. */
export const isPerson = (identity: string): boolean => identity.startsWith('pi_');

export const tableOf = (person: boolean) => sql.table(person ? 'person_identities' : 'workload_identities');

/** One row while this identity lets in: it does not only report, its issuer is active, and people sign in there. */
export function letIn(identity: string): RawBuilder<unknown> {
  const signIn = isPerson(identity) ? sql`and t.login is not null and t.login_version = t.version` : sql``;
  return sql`select from ${tableOf(isPerson(identity))} i join trusted_issuers t on t.id = i.trusted_issuer
    where i.id = ${identity} and not i.report_only and t.state = 'active' ${signIn}`;
}
