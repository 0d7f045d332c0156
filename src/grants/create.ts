// Making a grant: what it names must be there, and it must leave every connection with one answer.
import { notFound } from '../clients/rules.ts';
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { createId, idPattern } from '../ids.ts';
import { findWorkload } from '../workloads/store.ts';
import { requireUnambiguousGrant } from './ambiguity.ts';
import type { NewGrant } from './schema.ts';
import { type Selector, toColumns } from './selector.ts';
import { findSameGrant, type Grant, insertGrant } from './store.ts';

const CONNECTION_ID = new RegExp(idPattern('cn'));

/** The connection that an id or a reference names. A grant keeps the id: a reference may come to name another. */
async function requireConnection(trx: Transaction, reference: string): Promise<string> {
  const connection = await trx
    .selectFrom('connections')
    .select(['id', 'state'])
    .where(CONNECTION_ID.test(reference) ? 'id' : 'reference', '=', reference)
    .executeTakeFirst();
  if (!connection) throw notFound('connection', reference);
  if (connection.state === 'disconnected') {
    throw new Problem('connection_disconnected', `The connection ${connection.id} is disconnected, for good.`, {
      hint: 'Grant the one that took its place.',
    });
  }
  return connection.id;
}

/** @throws Problem `not_found`, `connection_disconnected`, `grant_exists` or `grant_would_be_ambiguous` */
export async function createGrant(trx: Transaction, given: NewGrant): Promise<Grant> {
  const workload = await findWorkload(trx, given.workload);
  if (!workload) throw notFound('workload', given.workload);
  // The schema lets exactly one member through.
  const named = given.selector as Selector;
  const selector = toColumns(
    'connection' in named ? { connection: await requireConnection(trx, named.connection) } : named,
  );
  const { purpose = 'default', max_session_seconds = 3600, session_policy = null, policy_arns = [], tags = {} } = given;
  await requireUnambiguousGrant(trx, { workload: workload.id, purpose }, selector);
  const grant = await insertGrant(
    trx,
    { id: createId('gr'), workload: workload.id, purpose, max_session_seconds, session_policy, policy_arns, tags },
    selector,
  );
  if (grant) return grant;
  const same = await findSameGrant(trx, { workload: workload.id, purpose, ...selector });
  throw new Problem('grant_exists', `The grant ${same} gives this workload the same selector and purpose.`, {
    hint: `Change its limits with PATCH /v1/grants/${same}, or name another purpose.`,
  });
}
