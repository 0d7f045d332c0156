// What can be done now, and why not: asked by orchestrators, answered from the things themselves.
import type { Db } from './db/connect.ts';
import { databaseAnswers } from './db/probe.ts';
import type { Readiness } from './http/health.ts';
import type { RingView } from './keys/view.ts';

export function createReadiness({ db, view }: { db: Db; view: RingView }): Readiness {
  return async (capability) => {
    if (!view.mayServe()) return 'the view of the signing keys is too old';
    if (capability === 'documents') return undefined;
    if (!(await databaseAnswers(db))) return 'the database does not answer';
    return capability === 'admin' ? undefined : view.reasonNotToSign();
  };
}
