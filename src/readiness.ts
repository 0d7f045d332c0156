// What can be done now, and why not: asked by orchestrators, answered from the things themselves.
import type { Db } from './db/connect.ts';
import { databaseAnswers } from './db/probe.ts';
import type { Readiness } from './http/health.ts';
import type { RingView } from './keys/view.ts';
import type { Opening } from './opening.ts';

export function createReadiness({
  db,
  view,
  opening,
}: {
  db: Db;
  view: RingView;
  opening: Pick<Opening, 'reason'>;
}): Readiness {
  return async (capability) => {
    if (!view.mayServe()) return 'the view of the signing keys is too old';
    if (capability === 'documents') return undefined;
    const closed = opening.reason();
    if (closed) return closed;
    if (!(await databaseAnswers(db))) return 'the database does not answer';
    return capability === 'admin' ? undefined : view.reasonNotToSign();
  };
}
