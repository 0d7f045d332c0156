// What can be done now, and why not: asked by orchestrators, answered from the things themselves.
import type { AuditStream } from './audit/stream.ts';
import type { Db } from './db/connect.ts';
import { findDatabaseTrouble } from './db/probe.ts';
import { SOON_MS, within } from './db/within.ts';
import type { Leaving } from './http/closing.ts';
import type { Readiness } from './http/health.ts';
import type { RingView } from './keys/view.ts';
import type { Opening } from './opening.ts';
import { describeSeal } from './seal/problem.ts';
import { readStanding } from './seal/store.ts';

const SHUT = 'the private half of the signing key does not open under this key-encryption key';

export function createReadiness({
  db,
  view,
  opening,
  leaving,
  streams,
  opens,
}: {
  db: Db;
  view: RingView;
  opening: Pick<Opening, 'reason'>;
  leaving: Pick<Leaving, 'reason'>;
  streams: readonly Pick<AuditStream, 'failing'>[];
  /** Whether the private half that signs for the platform opens. */
  opens(): Promise<boolean>;
}): Readiness {
  return async (capability) => {
    const gone = leaving.reason();
    if (gone) return gone;
    if (!view.mayServe()) return 'the view of the signing keys is too old';
    if (capability === 'documents') return undefined;
    const closed = opening.reason();
    if (closed) return closed;
    const trouble = await findDatabaseTrouble(db);
    if (trouble) return trouble;
    if (streams.some((stream) => stream.failing())) return 'audit records cannot be written';
    if (capability === 'admin') return undefined;
    const standing = await within(SOON_MS, readStanding(db)).catch(() => undefined);
    if (!standing) return 'the database does not answer';
    const { seal } = standing;
    if (seal) return describeSeal(seal);
    return view.reasonNotToSign() ?? ((await opens()) ? undefined : SHUT);
  };
}
