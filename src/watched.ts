// What a scrape of the metrics reads, and from where: memory, and the database through the few questions named here.
import type { AuditStream } from './audit/stream.ts';
import type { Clock } from './clock.ts';
import { countVerifications } from './connections/verification/store.ts';
import type { Sessions } from './credentials/sessions.ts';
import type { Database } from './db/connect.ts';
import { findDatabaseTrouble } from './db/probe.ts';
import type { Readiness } from './http/health.ts';
import type { ListenerOptions } from './http/listeners.ts';
import type { SelfCheck } from './issuers/self-check.ts';
import { readKekProgress } from './keys/keyring/store.ts';
import { findOverdueSince } from './keys/overdue.ts';
import { countProofs } from './keys/proofs.ts';
import { readRotationQueue } from './keys/store.ts';
import type { RingView } from './keys/view.ts';
import type { StateSources } from './metrics/state.ts';
import { readPublishing } from './publishing/store.ts';
import { worstOf } from './reach/findings.ts';
import { readStanding } from './seal/store.ts';

export function watched({
  database,
  clock,
  view,
  streams,
  readiness,
  selfCheck,
  listeners,
  sessions,
}: {
  database: Database;
  clock: Clock;
  view: RingView;
  streams: Record<'tokens' | 'acts', AuditStream>;
  readiness: Readiness;
  selfCheck: Pick<SelfCheck, 'latest'>;
  listeners: Pick<ListenerOptions, 'traffic' | 'certificate'>;
  sessions: Pick<Sessions, 'size'>;
}): StateSources {
  const { db } = database;
  return {
    ...{ clock, view, streams, listeners },
    pool: () => database.pool?.(),
    isReady: async (capability) => (await readiness(capability)) === undefined,
    databaseAnswers: async () => (await findDatabaseTrouble(db)) !== 'the database does not answer',
    readRotationQueue: () => readRotationQueue(db, view.now()),
    findOverdueSince: (late) => findOverdueSince(db, late, view.now()),
    countVerifications: () => countVerifications(db),
    countSessions: () => sessions.size,
    countProofs: () => countProofs(db),
    readKekProgress: () => readKekProgress(db),
    readPublishing: () => readPublishing(db),
    isSealed: async () => (await readStanding(db)).seal !== undefined,
    selfCheck: () => {
      const look = selfCheck.latest();
      return look && { ok: !worstOf(look.findings), certificate: look.certificate };
    },
  };
}
