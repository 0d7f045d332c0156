// Moves private halves under the key that was chosen, in the background: leased, at a bounded rate, each one verified.
import { createPrivateKey } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Act, SYSTEM } from '../../audit/act.ts';
import type { Clock } from '../../clock.ts';
import type { Db } from '../../db/connect.ts';
import { publicBytes, publicJwk, thumbprint } from '../algorithms.ts';
import { decrypt, encrypt, type Kek, placeOf } from '../encrypt.ts';
import type { Keyring } from './keyring.ts';
import { nameThoseWithout } from './replicas.ts';
import * as store from './store.ts';

const BATCH = 100;
/** A KMS answers in milliseconds, and many at once. */
const AT_ONCE = 8;
/** One part of work to so many of rest, so that callers do not notice; at most about 400 rows a second. */
const REST = 3;
const LEAST_REST_MS = 250;
/** One turn, so that a process that stops does not wait for it. */
const TURN_MS = 4000;
const LEASE_SECONDS = 30;
/** After a pass that left rows behind. */
const PATIENCE_MS = 30_000;

/** The same private half for the same place under another key; what it is was seen before and after. */
async function rewrap(keyring: Keyring, to: Kek, row: store.Wrapped): Promise<store.Rewrapped> {
  const from = keyring.find(row.kek);
  if (!from) throw new Error(`this process was not given the key-encryption key ${row.kek}`);
  const place = placeOf(row.kid, row);
  const pkcs8 = await decrypt(from, row.envelope, place);
  try {
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    if (thumbprint(publicJwk(row.algorithm, publicBytes(key))) !== row.kid)
      throw new Error('the private half is not of its key');
    const after = await encrypt(to, pkcs8, place);
    const again = await decrypt(to, after, place);
    const same = again.equals(pkcs8);
    again.fill(0);
    if (!same) throw new Error('what was wrapped does not open as it was');
    return { kid: row.kid, before: row.envelope, after };
  } finally {
    pkcs8.fill(0);
  }
}

export interface Rewrapping {
  /** Does what is to be done, for some seconds; nothing where another replica does it, or nothing is. */
  turn(): Promise<void>;
  stop(): void;
}

/** @param deps.worker the id of this process */
export function createRewrapping(deps: {
  db: Db;
  act: Act;
  keyring: Keyring;
  clock: Pick<Clock, 'monotonic'>;
  worker: string;
}): Rewrapping {
  const { db, act, keyring, clock, worker } = deps;
  const stopping = new AbortController();
  let pass = { seq: -1, after: '', left: [] as string[] };
  let notBefore = 0;

  async function finish(seq: number): Promise<void> {
    await act(SYSTEM, async (trx) => {
      const choice = await store.lockChoice(trx);
      const done = choice?.seq === seq && choice.finished_at === null && !(await store.hasOthers(trx, choice.kek));
      if (!done) return { result: undefined, records: [], affectsDecisions: false };
      await store.finishChoice(trx, seq);
      const details = { kek: choice.kek, rotation: seq };
      return { result: undefined, records: [{ kind: 'kek.rotation_finished', details }], affectsDecisions: false };
    });
  }

  /** @returns whether there may be more */
  async function moveBatch({ kek, seq }: store.Choice): Promise<boolean> {
    const to = keyring.follow(kek);
    const rows = await store.listOthers(db, kek, pass.after, BATCH);
    const moved: store.Rewrapped[] = [];
    for (let index = 0; index < rows.length; index += AT_ONCE) {
      const some = rows.slice(index, index + AT_ONCE);
      const results = await Promise.allSettled(some.map((row) => rewrap(keyring, to, row)));
      for (const [at, result] of results.entries()) {
        if (result.status === 'fulfilled') moved.push(result.value);
        else pass.left.push((some[at] as store.Wrapped).kid);
      }
    }
    // Under the lock of the choice: who has chosen another key meanwhile must find every row under that one at its end.
    const stands = await db.transaction().execute(async (trx) => {
      if ((await store.shareChoice(trx))?.seq !== seq) return false;
      await store.replaceEnvelopes(trx, kek, moved);
      return true;
    });
    if (!stands) return false;
    pass.after = rows.at(-1)?.kid ?? '';
    if (rows.length === BATCH) return true;
    const { left } = pass;
    pass = { seq, after: '', left: [] };
    if (left.length === 0) {
      await finish(seq);
    } else {
      notBefore = clock.monotonic() + PATIENCE_MS;
      await store.setTrouble(db, seq, `${left.length} private halves do not open: ${left.slice(0, 3).join(', ')}`);
    }
    return false;
  }

  return {
    turn: async () => {
      const choice = await store.findChoice(db);
      if (!choice || (choice.finished_at !== null && !(await store.hasOthers(db, choice.kek)))) return;
      if (pass.seq !== choice.seq) {
        pass = { seq: choice.seq, after: '', left: [] };
        notBefore = 0;
      }
      if (clock.monotonic() < notBefore) return;
      const until = clock.monotonic() + TURN_MS;
      while (clock.monotonic() < until && !stopping.signal.aborted) {
        if (!(await store.takeLease(db, choice.seq, worker, LEASE_SECONDS))) return;
        const without = await nameThoseWithout(db, choice.kek);
        if (without.length > 0) {
          await store.setTrouble(db, choice.seq, `a replica does not open ${choice.kek}: ${without.join('; ')}`);
          return;
        }
        const started = clock.monotonic();
        if (!(await moveBatch(choice))) return;
        const rest = Math.max(LEAST_REST_MS, (clock.monotonic() - started) * REST);
        await delay(rest, undefined, { signal: stopping.signal }).catch(() => {});
      }
    },
    stop: () => stopping.abort(),
  };
}
