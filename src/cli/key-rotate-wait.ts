// One ring watched until its next key signs: what it waits for, a line for each change.
import { type Api, segment } from './api.ts';
import { Failure } from './failure.ts';
import { proofWords } from './key-proof.ts';
import { POLL_MS, type Progress, ranOut, rotationPath } from './key-rotations.ts';
import type { Key, Ring } from './key-timeline.ts';
import type { Outside } from './outside.ts';
import { steadily } from './patience.ts';

/** What `POST /v1/keys/{issuer}/rotate` answers without `now`. */
export interface Queued {
  ring: string;
  not_before: string;
  /** `ro_…`; undefined of a service that keeps no record of it. */
  rotation?: string;
}

export interface Rotated {
  ring: string;
  kid: string;
  signs_from?: string | undefined;
  predecessor?: string | undefined;
  rotation?: string | undefined;
}

export interface WaitOptions {
  outside: Outside;
  /** A line for a person. */
  note(line: string): void;
  /** Seconds. */
  timeout: number;
}

const keyOf = (ring: Ring | undefined, state: Key['state']): Key | undefined =>
  ring?.keys.find((key) => key.state === state);

/** What stands between a ring's standby and its first signature, in words. */
export function standbyWords(ring: Ring, now: number): string {
  const standby = keyOf(ring, 'standby');
  if (!standby) return 'no standby is there yet';
  const { kid, published_at: made, seasoned_at: seasoned, not_published_to: lacking, proof } = standby;
  const named = `standby ${kid.slice(0, 8)}`;
  const hold = ring.hold === undefined ? '' : ` (${ring.hold.reason})`;
  if (ring.held_until !== undefined) return `rotations are on hold until ${ring.held_until}${hold}`;
  if (lacking !== undefined) return `${named} was made ${made}; the published copy ${lacking} lacks it`;
  if (Date.parse(seasoned) > now) return `${named} was made ${made}; every verifier knows it from ${seasoned}`;
  if (proof?.about === 'standby') return `${named} is seasoned since ${seasoned}; AWS STS ${proofWords(proof)}`;
  return `${named} is seasoned since ${seasoned}; it signs as soon as its turn comes`;
}

/** @throws Failure where the rotation ended otherwise */
function assertRuns(run: Progress | undefined): void {
  if (!run || run.state === 'running') return;
  const [failure] = run.failures;
  if (run.state === 'cancelled')
    throw new Failure('rotation_cancelled', 'The rotation was cancelled; the key before signs on.');
  if (failure) throw new Failure(failure.code, failure.detail);
}

/**
 * @param before the rings of the issuer, as they were when the rotation was queued
 * @throws Failure `wait_timeout` (it goes on), `rotation_cancelled`, or what the rotation failed with
 */
export async function waitForNextKey(
  api: Api,
  issuer: string,
  { ring: id, rotation }: Queued,
  before: readonly Ring[],
  { outside, note, timeout }: WaitOptions,
): Promise<Rotated> {
  const until = outside.now() + timeout * 1000;
  const former = keyOf(
    before.find((ring) => ring.id === id),
    'active',
  )?.kid;
  let said = '';
  const look = async (): Promise<{ run: Progress | undefined; items: Ring[] }> => {
    // Read before the ring: where it has ended, the ring shows what came of it.
    const run = rotation === undefined ? undefined : ((await api.get(rotationPath(rotation))) as Progress);
    return { run, ...((await api.get(`/v1/keys/${segment(issuer)}`)) as { items: Ring[] }) };
  };
  for (;;) {
    const { run, items } = await steadily(look, outside, until);
    const ring = items.find((each) => each.id === id);
    const active = keyOf(ring, 'active');
    if (active && active.kid !== former)
      return { ring: id, kid: active.kid, signs_from: active.signs_from, predecessor: former, rotation };
    assertRuns(run);
    const waits = run?.reasons.map(({ code }) => code) ?? [];
    const line = [...(ring ? [standbyWords(ring, outside.now())] : []), ...waits].join(', ');
    if (line !== said) note(line);
    said = line;
    if (outside.now() >= until) throw ranOut(timeout, rotation, line);
    await outside.sleep(POLL_MS);
  }
}
