// The policy epoch as the database has it.
import type { Database } from '../../src/db/connect.ts';

export async function readEpoch({ db }: Pick<Database, 'db'>): Promise<number> {
  return (await db.selectFrom('policy_epoch').select('epoch').executeTakeFirstOrThrow()).epoch;
}
