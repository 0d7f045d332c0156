// What can be done now, and why not: asked by orchestrators, answered from the things themselves.
import { sql } from 'kysely';
import type { Db } from './db/connect.ts';
import type { Readiness } from './http/health.ts';
import type { RingView } from './keys/view.ts';

const PROBE_MS = 800;

async function databaseAnswers(db: Db): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), PROBE_MS);
  });
  const probe = sql`select 1`.execute(db).then(
    () => true,
    () => false,
  );
  return await Promise.race([probe, late]).finally(() => clearTimeout(timer));
}

export function createReadiness({ db, view }: { db: Db; view: RingView }): Readiness {
  return async (capability) => {
    if (!view.mayServe()) return 'the view of the signing keys is too old';
    if (capability === 'documents') return undefined;
    if (!(await databaseAnswers(db))) return 'the database does not answer';
    return capability === 'admin' ? undefined : view.reasonNotToSign();
  };
}
