// Gauges of what holds now: read from memory at a scrape, and from the database at most every few seconds.
import type { Clock } from '../clock.ts';
import { within } from '../db/within.ts';
import { CAPABILITIES, type CapabilityName } from '../http/health.ts';
import type { KekProgress } from '../keys/keyring/store.ts';
import { halfOfError, type KeyPolicy } from '../keys/policy.ts';
import type { Ring } from '../keys/facts.ts';
import type { LateRing } from '../keys/overdue.ts';
import type { ProofCounts } from '../keys/proofs.ts';
import { renewBy, type Term } from '../reach/renewal.ts';
import { AGE_BOUNDS, type Ages, type KeyAges, measureKeyAges } from './keys.ts';
import { createListenerMetrics, type ListenerSources } from './listeners.ts';
import { Gauge, type Registry } from './vendor.ts';

/** What the queue of rotations says; milliseconds since the epoch. */
export interface RotationQueue {
  /** Rings whose turn has come. */
  due: number;
  /** The earliest planned rotation, past or to come; undefined where none is planned. */
  earliest: number | undefined;
}

/** How far the published copies are, of the one that is furthest behind. */
export interface Publishing {
  /** Everything that was true then is in place; milliseconds since the epoch. */
  passedAt: number;
  /** Revoked keys that a copy may still hold, ten thousand at most. */
  revoked: number;
}

export interface StateSources {
  clock: Clock;
  view: {
    now(): number;
    policy(): KeyPolicy;
    all(): Iterable<readonly Ring[]>;
    /** Milliseconds since the query that the view rests on was sent; undefined before the first. */
    age(): number | undefined;
    /** Milliseconds that this machine's clock is ahead of the database's; undefined before the first comparison. */
    clockOffset(): number | undefined;
  };
  streams: Record<'tokens' | 'acts', { waiting(): { appends: number; oldest: number } }>;
  pool(): { total: number; idle: number; waiting: number } | undefined;
  isReady(capability: CapabilityName): Promise<boolean>;
  databaseAnswers(): Promise<boolean>;
  readRotationQueue(): Promise<RotationQueue>;
  /** Since when the rotation that is late for longest is due, of those that the view takes for late. */
  findOverdueSince(late: readonly LateRing[]): Promise<number | undefined>;
  countVerifications(): Promise<number>;
  /** Sessions in this process's memory. */
  countSessions(): number;
  /** Undefined where the migration that makes room for proofs has not run. */
  countProofs(): Promise<ProofCounts | undefined>;
  /** Undefined where no key-encryption key was ever chosen. */
  readKekProgress(): Promise<KekProgress | undefined>;
  isSealed(): Promise<boolean>;
  /** Static publishing; undefined where it is off. */
  readPublishing(): Promise<Publishing | undefined>;
  listeners: ListenerSources;
  /** The newest look at our own documents from outside; undefined until there is one. */
  selfCheck(): { ok: boolean; certificate?: Term | undefined } | undefined;
}

/** What the database was asked lives this long; milliseconds. */
const KEPT_MS = 5000;
/** Keys age slowly, and to look at all of them takes a while. */
const AGES_KEPT_MS = 30_000;
/** Of all questions at one scrape together. */
const DEADLINE_MS = 2000;
/** Of each but the one whether the database answers: what hangs, be it a KMS or one table, takes no other figure along. */
const ANSWER_MS = 1000;

/**
 * The answer of a moment ago, one look at a time; where there is none in time, undefined.
 * @param keptMs how long an answer lives
 * @param old whether the one before will do, where the next is late
 */
function keep<T>(clock: Clock, keptMs: number, old: boolean, look: () => Promise<T>): () => Promise<T | undefined> {
  let kept: { at: number; value: T | undefined } | undefined;
  let looking: Promise<T | undefined> | undefined;
  return async () => {
    // That nothing is known is soon asked again.
    const lives = kept?.value === undefined ? KEPT_MS : keptMs;
    if (kept && clock.monotonic() - kept.at < lives) return kept.value;
    looking ??= look()
      .catch(() => undefined)
      .then((value) => {
        kept = { at: clock.monotonic(), value };
        return value;
      })
      .finally(() => {
        looking = undefined;
      });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<T | undefined>((resolve) => {
      timer = setTimeout(() => resolve(old ? kept?.value : undefined), DEADLINE_MS);
    });
    return await Promise.race([looking, late]).finally(() => clearTimeout(timer));
  };
}

/** What is not known in time is not known. */
const inTime = <T>(answer: Promise<T>): Promise<T | undefined> => within(ANSWER_MS, answer).catch(() => undefined);

/** A capability that cannot be asked about in time is not there. */
const named = (states: readonly (boolean | undefined)[]): Asked['ready'] =>
  Object.fromEntries(CAPABILITIES.map((name, index) => [name, states[index] ?? false]));

interface Asked {
  up: boolean;
  ready: Partial<Record<CapabilityName, boolean>>;
  queue?: RotationQueue | undefined;
  verifications?: number | undefined;
  proofs?: ProofCounts | undefined;
  kek?: KekProgress | undefined;
  sealed?: boolean | undefined;
  publishing?: Publishing | undefined;
}

/** @returns a function that brings every gauge up to date; it does not throw, and takes at most a few seconds. */
export function createStateGauges(registry: Registry, sources: StateSources): () => Promise<void> {
  const { clock, view, streams } = sources;
  createListenerMetrics(registry, sources.listeners);

  function gauge(name: string, help: string): (value: number | undefined) => void {
    const made = new Gauge({ name: `countersign_${name}`, help, registers: [registry] });
    made.remove();
    // What is not known is not there, rather than a number that looks like one.
    return (value) => (value === undefined ? made.remove() : made.set(value));
  }
  function labelled<Label extends string>(name: string, help: string, ...labelNames: Label[]): Gauge<Label> {
    return new Gauge({ name: `countersign_${name}`, help, labelNames, registers: [registry] });
  }

  const appends = labelled('audit_appends_waiting', 'Appends that wait to be durable, by stream.', 'stream');
  const oldest = labelled('audit_oldest_wait_seconds', 'Age of the oldest append that waits: the audit lag.', 'stream');
  const poolSize = labelled('database_pool_connections', 'Connections of this process to the database.', 'state');
  const poolWaiting = gauge('database_pool_waiting', 'Queries that wait for a connection.');
  const up = gauge('database_up', 'Whether the database answers within its deadline (1) or not (0).');
  const ready = labelled('ready', 'Whether a capability is there (1) or away (0), as /readyz says it.', 'capability');

  const sealed = gauge('sealed', 'Whether the service is sealed (1), so that nothing is minted, or not (0).');

  const viewAge = gauge('ring_view_age_seconds', 'Age of this process’s view of the signing keys.');
  const signs = gauge('ring_view_signs_until_seconds', 'Age from which on nothing is signed with the view (R).');
  const serves = gauge('ring_view_serves_until_seconds', 'Age from which on discovery and JWKS are not served (D).');
  const offset = gauge('clock_offset_seconds', 'By how much this machine’s clock is ahead of the database’s.');
  const offsetLimit = gauge('clock_offset_limit_seconds', 'Offset from which on nothing is signed (e / 2).');

  const rings = gauge('rings', 'Rings in memory, those of removed connections left out.');
  const keyOldest = labelled('key_age_seconds_max', 'Age of the oldest key in this state.', 'state');
  const keyCount = labelled('key_age_seconds_count', 'Keys in this state.', 'state');
  const keyBuckets = labelled(
    'key_age_seconds_bucket',
    'Keys in this state that are at most this old now: a histogram of what is, not of what was.',
    ...(['state', 'le'] as const),
  );
  const due = gauge('rotations_due', 'Rings whose turn in the queue of rotations has come.');
  const overdue = gauge(
    'rotation_overdue_seconds',
    'How long past its planned time a key signs whose rotation nobody holds, the longest; 0 where none does.',
  );
  const next = gauge('next_rotation_seconds', 'Time to the next planned rotation; 0 where one is due.');
  const verifications = gauge('verifications_pending', 'Connections that STS is being asked about.');
  const sessions = gauge('sessions_kept', 'Sessions in memory, to be handed out again.');
  const refused = gauge('standbys_refused', 'Rings whose standby key AWS STS refuses, and takes the key that signs.');
  const harm = gauge(
    'standby_refused_harm_timestamp_seconds',
    'When the first of those rings signs with a key that is older than its period; none where there is no such ring.',
  );
  const unproved = gauge('revocations_unproved', 'Revoked keys of which STS is shown canaries until it refuses them.');
  const kekLeft = gauge(
    'kek_private_halves_left',
    'Private halves under another key-encryption key than the one that wraps.',
  );
  const kekTroubled = gauge(
    'kek_rotation_troubled',
    'Whether something stands in the way of moving them (1) or not (0).',
  );
  const passAge = gauge('publishing_pass_age_seconds', 'Age of what the published copies say, of the oldest of them.');
  const revoked = gauge('publishing_revoked_keys', 'Revoked keys that a published copy may still hold.');
  const checked = gauge(
    'self_check_ok',
    'Whether our own documents can be fetched as a stranger would (1) or not (0).',
  );
  const certificate = gauge(
    'issuer_certificate_expiry_timestamp_seconds',
    'When the certificate in front of ISSUER_URL expires.',
  );
  const renew = gauge('issuer_certificate_renew_by_timestamp_seconds', 'When it should have been renewed.');

  const known = (): KeyPolicy | undefined => (view.age() === undefined ? undefined : view.policy());
  const ages = keep(clock, AGES_KEPT_MS, true, () => measureKeyAges(view.all(), view.now(), known()));
  const overdueSince = keep(clock, AGES_KEPT_MS, true, async () => {
    const found = await ages();
    return found && { at: await sources.findOverdueSince(found.late) };
  });
  const asked = keep<Asked>(clock, KEPT_MS, false, async () => {
    const states = Promise.all(CAPABILITIES.map((capability) => inTime(sources.isReady(capability))));
    const answers = await sources.databaseAnswers();
    if (!answers) return { up: false, ready: named(await states) };
    const [queue, verifications, isSealed, proofs, publishing, kek] = await Promise.all([
      inTime(sources.readRotationQueue()),
      inTime(sources.countVerifications()),
      inTime(sources.isSealed()),
      inTime(sources.countProofs()),
      inTime(sources.readPublishing()),
      inTime(sources.readKekProgress()),
    ]);
    return { up: true, ready: named(await states), queue, verifications, sealed: isSealed, proofs, publishing, kek };
  });

  function showAges(state: 'active' | 'standby', found: Ages): void {
    keyOldest.set({ state }, found.oldest);
    keyCount.set({ state }, found.count);
    for (const [index, bound] of AGE_BOUNDS.entries())
      keyBuckets.set({ state, le: String(bound) }, found.upTo[index] as number);
    keyBuckets.set({ state, le: '+Inf' }, found.count);
  }

  function showKeys(found: KeyAges | undefined): void {
    rings(found?.rings);
    if (!found) return;
    showAges('active', found.active);
    showAges('standby', found.standby);
  }

  function showQueue(queue: RotationQueue | undefined): void {
    const ahead = queue?.earliest === undefined ? undefined : (queue.earliest - view.now()) / 1000;
    due(queue?.due);
    next(ahead === undefined ? undefined : Math.max(0, ahead));
  }

  function showProofs(proofs: ProofCounts | undefined): void {
    refused(proofs?.refused);
    harm(proofs?.oldestSignsFrom && (proofs.oldestSignsFrom + view.policy().period) / 1000);
    unproved(proofs?.underWay);
  }

  const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);

  return async () => {
    for (const [stream, { waiting }] of Object.entries(streams)) {
      const now = waiting();
      appends.set({ stream }, now.appends);
      oldest.set({ stream }, now.oldest / 1000);
    }
    const pool = sources.pool();
    if (pool) {
      poolSize.set({ state: 'idle' }, pool.idle);
      poolSize.set({ state: 'busy' }, pool.total - pool.idle);
    }
    poolWaiting(pool?.waiting);
    sessions(sources.countSessions());
    viewAge(seconds(view.age()));
    offset(seconds(view.clockOffset()));
    if (view.age() !== undefined) {
      const { oldestSigned, oldestServed } = view.policy();
      signs(oldestSigned / 1000);
      serves(oldestServed / 1000);
      offsetLimit(halfOfError(view.policy()) / 1000);
    }
    const found = sources.selfCheck();
    checked(found && Number(found.ok));
    certificate(seconds(found?.certificate?.until));
    renew(seconds(found?.certificate && renewBy(found.certificate)));
    const [keyAges, late, database] = await Promise.all([ages(), overdueSince(), asked()]);
    showKeys(keyAges);
    up(Number(database?.up ?? false));
    for (const capability of CAPABILITIES) ready.set({ capability }, Number(database?.ready[capability] ?? false));
    showQueue(database?.queue);
    overdue(database?.up && late ? Math.max(0, view.now() - (late.at ?? view.now())) / 1000 : undefined);
    verifications(database?.verifications);
    showProofs(database?.proofs);
    kekLeft(database?.kek?.left);
    kekTroubled(database?.kek && Number(database.kek.troubled));
    passAge(seconds(database?.publishing && Math.max(0, view.now() - database.publishing.passedAt)));
    revoked(database?.publishing?.revoked);
    sealed(database?.sealed === undefined ? undefined : Number(database.sealed));
  };
}
