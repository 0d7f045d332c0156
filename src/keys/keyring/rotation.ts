// Rotation of the key-encryption key: an act that chooses what wraps; the rows follow in the background.
import type { Static } from 'typebox';
import { randomBytes } from 'node:crypto';
import type { Act, Actor } from '../../audit/act.ts';
import type { Db } from '../../db/connect.ts';
import { requireTable } from '../../db/has-table.ts';
import { Problem } from '../../errors.ts';
import type { Kek } from '../encrypt.ts';
import type { Keyring } from './keyring.ts';
import { listLiveReplicas, nameThoseWithout } from './replicas.ts';
import type { KekChange, KekState } from './schema.ts';
import { countByKek, findChoice, hasChoices, insertChoice, lockChoice } from './store.ts';

export interface KekDeps {
  db: Db;
  act: Act;
  keyring: Keyring;
}

/** What each key has wrapped, how far a rotation is, who lives. */
export async function showKeks({ db, keyring }: KekDeps): Promise<Static<typeof KekState>> {
  const counts = await countByKek(db);
  const choice = await findChoice(db);
  const wraps = choice?.kek ?? keyring.wrapping().id;
  const ids = new Set([...keyring.keks.map(({ id }) => id), ...counts.map(({ kek }) => kek), wraps]);
  const countOf = (id: string): number => counts.find(({ kek }) => kek === id)?.count ?? 0;
  const keks = [...ids].map((id) => {
    const source = keyring.find(id)?.source;
    return { id, ...(source === undefined ? {} : { source }), wraps: id === wraps, private_halves: countOf(id) };
  });
  const replicas = (await hasChoices(db)) ? await listLiveReplicas(db) : [];
  return {
    keks,
    ...(choice && choice.seq > 0
      ? {
          rotation: {
            ...{ to: choice.kek, started_at: choice.at.toISOString(), actor: choice.actor, reason: choice.reason },
            remaining: counts.reduce((sum, { kek, count }) => (kek === choice.kek ? sum : sum + count), 0),
            ...(choice.trouble === null ? {} : { trouble: choice.trouble }),
            ...(choice.finished_at === null ? {} : { finished_at: choice.finished_at.toISOString() }),
          },
        }
      : {}),
    replicas: replicas.map(({ id, host, opens, seen_at: seen }) => ({ id, host, opens, seen_at: seen.toISOString() })),
  };
}

/** @throws Problem `kek_unknown` */
function resolve({ keks, find }: Keyring, wraps: string, to: string | undefined): Kek {
  const others = keks.filter(({ id }) => id !== wraps);
  const named = to === undefined ? (others.length === 1 ? others[0] : undefined) : find(to);
  if (named) return named;
  const given = `This replica was given ${keks.map(({ id, source }) => `${id} (${source})`).join(', ')}, and ${wraps} wraps.`;
  throw to !== undefined
    ? new Problem('kek_unknown', `There is no key-encryption key ${to} here. ${given}`, {
        hint: 'Add it to KEY_ENCRYPTION_KEYS of every replica, restart them one by one, and repeat this.',
      })
    : new Problem('kek_unknown', `It is not clear which key-encryption key is meant. ${given}`, {
        hint:
          others.length === 0
            ? 'Give every replica one more in KEY_ENCRYPTION_KEYS, restart them one by one, and repeat this.'
            : 'Name it: the id is in GET /v1/kek.',
      });
}

/** It wraps and unwraps now: a KMS that refuses is heard before anything is chosen. @throws Problem `kek_unknown` */
async function prove(kek: Kek): Promise<void> {
  const [probe, context] = [randomBytes(32), { bytes: Buffer.from('probe'), names: { purpose: 'probe' } }];
  const opened = await kek
    .wrap(probe, context)
    .then((wrapped) => kek.unwrap(wrapped, context))
    .catch((error: unknown) => {
      throw new Problem('kek_unknown', `The key-encryption key ${kek.id} does not wrap: ${(error as Error).message}`, {
        hint: 'Nothing was changed. See docs/security-team.md for what a KMS key needs.',
      });
    });
  if (!opened.equals(probe)) throw new Problem('kek_unknown', `The key-encryption key ${kek.id} opens something else.`);
}

/**
 * Chooses what wraps from now on, on every replica; the old keys open until every row has followed.
 * @param to the id of a key; the only other one unless named
 * @throws Problem `migration_missing`, `kek_unknown`, `kek_not_everywhere`
 */
export async function rotateKek(
  deps: KekDeps,
  to: string | undefined,
  actor: Actor & { reason: string },
): Promise<Static<typeof KekChange>> {
  const { db, act, keyring } = deps;
  await requireTable(db, 'kek_rotations', 'The migration 0006_key_custody has not run.');
  const kek = resolve(keyring, (await findChoice(db))?.kek ?? keyring.wrapping().id, to);
  await prove(kek);
  const changed = await act(actor, async (trx) => {
    const choice = await lockChoice(trx);
    if (choice?.kek === kek.id) return { result: false, records: [], affectsDecisions: false };
    const without = await nameThoseWithout(trx, kek.id);
    if (without.length > 0)
      throw new Problem('kek_not_everywhere', `Not every replica opens ${kek.id}: ${without.join('; ')}.`, {
        hint: 'Give it that key in KEY_ENCRYPTION_KEYS and restart it. One that is gone is forgotten a minute after it was seen.',
        extra: { replicas: without },
      });
    const seq = (choice?.seq ?? 0) + 1;
    await insertChoice(trx, { seq, kek: kek.id, reason: actor.reason, actor: actor.id, finished: false });
    const details = { from: choice?.kek ?? keyring.wrapping().id, to: kek.id, rotation: seq };
    return { result: true, records: [{ kind: 'kek.rotation_started', details }], affectsDecisions: false };
  });
  if (changed) keyring.follow(kek.id);
  return { ...(await showKeks(deps)), changed };
}
