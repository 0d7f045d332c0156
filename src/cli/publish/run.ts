// A publisher: its lease, a pass, and where asked the next, for as long as nobody ends it.
import { hostname } from 'node:os';
import type { Api } from '../api.ts';
import { Failure } from '../failure.ts';
import { isAsLeft, type PassDeps, type PassResult, runPass } from './pass.ts';
import type { Target } from './target.ts';

export interface Publisher {
  api: Api;
  target: Target;
  id: string;
  /** Milliseconds since the epoch. */
  now(): number;
  progress: PassDeps['progress'];
  stopping?: () => boolean;
}

interface Lease {
  epoch: number;
  since?: string;
  verified_at?: string;
}

/** Every document is looked at this often; milliseconds. */
const VERIFIED_MS = 24 * 3_600_000;

const holder = `${hostname().replaceAll(/[^!-~]/g, '')}:${process.pid}`.slice(-100);

async function takeLease({ api, id }: Publisher, epoch: number | undefined, release = false): Promise<Lease> {
  const body = { holder, ...(epoch === undefined ? {} : { epoch }), ...(release ? { release } : {}) };
  return (await api.send('POST', `/v1/publishing/targets/${id}/lease`, body)) as Lease;
}

/**
 * One pass under a lease of its own, or the one that is held.
 * @throws Failure; the lease is then given back
 */
export async function publishOnce(
  publisher: Publisher,
  verify: boolean,
  keep?: { epoch?: number },
): Promise<PassResult> {
  const { target, now } = publisher;
  const lease = await takeLease(publisher, keep?.epoch);
  if (keep) keep.epoch = lease.epoch;
  try {
    const release = target.take();
    try {
      const deps: PassDeps = { ...publisher, epoch: lease.epoch };
      const old = now() - Date.parse(lease.verified_at ?? '') < VERIFIED_MS;
      const whole = verify || lease.since === undefined || !old || !(await isAsLeft(deps));
      return await runPass(deps, lease.since, whole);
    } finally {
      release();
    }
  } finally {
    if (!keep) await takeLease(publisher, lease.epoch, true).catch(() => {});
  }
}

/** What a pass may meet that the next one does not; milliseconds until that. */
const FATAL = new Set(['publishing_off', 'not_found', 'insufficient_scope', 'target_unconditional', 'usage']);

/** Pass after pass. @returns when `stopped` does. @throws Failure that no waiting mends */
export async function publishOn(
  publisher: Publisher,
  options: { verify: boolean; everyMs: number; sleep(ms: number): Promise<void>; stopped: Promise<void> },
  told: { passed(result: PassResult): void; failed(failure: Failure): void },
): Promise<void> {
  const keep: { epoch?: number } = {};
  let stopping = false;
  const stopped = options.stopped.then(() => {
    stopping = true;
  });
  let { verify } = options;
  while (!stopping) {
    try {
      told.passed(await publishOnce({ ...publisher, stopping: () => stopping }, verify, keep));
      verify = false;
    } catch (error) {
      if (stopping) break;
      if (!(error instanceof Failure) || FATAL.has(error.code)) throw error;
      if (error.code === 'publishing_leased' || error.code === 'publishing_lease_lost') delete keep.epoch;
      told.failed(error);
    }
    await Promise.race([options.sleep(options.everyMs), stopped]);
  }
  if (keep.epoch !== undefined) await takeLease(publisher, keep.epoch, true).catch(() => {});
}
