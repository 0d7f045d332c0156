// A change of the key policy: one more version, whole, where its arithmetic holds, in place of the one that was looked at.
import { iso } from '../clock.ts';
import type { Act, Actor } from '../audit/act.ts';
import type { Db } from '../db/connect.ts';
import { requireTable } from '../db/has-table.ts';
import { Problem } from '../errors.ts';
import { actInTime, commitBy, type Dated } from './in-time.ts';
import { insertPolicyVersion, listPolicyVersions, lockPolicy } from './policies.ts';
import { type KeyPolicy, type PolicyVersion, unsoundChange } from './policy.ts';
import { seeOwnChange } from './rotate.ts';
import type { ReadClock } from './store.ts';

export interface ChangePolicyDeps {
  db: Db;
  act: Act;
  readClock: ReadClock;
  /** Called after a commit, so that this process goes by it at once. */
  changed: () => Promise<void>;
}

export interface PolicyChange {
  policy: KeyPolicy;
  /** The version that the caller looked at. */
  replaces: number;
  /** Says what would be, and changes nothing. */
  dryRun: boolean;
}

export interface PolicyChanged {
  changed: boolean;
  /** All versions, the new one among them; as if, in a dry run. */
  versions: PolicyVersion[];
  now: number;
}

function refuseUnsound(versions: readonly PolicyVersion[], next: PolicyVersion): void {
  const { lines, from } = unsoundChange(versions, next);
  if (lines.length === 0) return;
  throw new Problem('policy_unsound', `The policy breaks its arithmetic: ${lines.join('; ')}.`, {
    hint:
      from === undefined
        ? 'Choose times that hold every line: GET /v1/key-policy has the arithmetic of the policy in force.'
        : `Set what is lowered first, with a period that holds both; its own period can follow from ${iso(from)}.`,
    extra: { lines, ...(from === undefined ? {} : { sound_from: iso(from) }) },
  });
}

const NOTHING = { records: [], affectsDecisions: false, commitBy: undefined };

const lowers = (before: KeyPolicy, after: KeyPolicy): boolean =>
  (['verifierCache', 'oldestServed', 'oldestSigned', 'clockError'] as const).some((name) => after[name] < before[name]);

const same = (a: KeyPolicy, b: KeyPolicy): boolean =>
  (Object.keys(a) as (keyof KeyPolicy)[]).every((name) => a[name] === b[name]);

/** @throws Problem `policy_unsound`, `conflict`, `migration_missing`, `unavailable` */
export async function changePolicy(
  deps: ChangePolicyDeps,
  { policy, replaces, dryRun }: PolicyChange,
  actor: Actor,
): Promise<PolicyChanged> {
  await requireTable(deps.db, 'rotation_plan', 'The queue could not follow: the migration 0004_rotation has not run.');
  const result = await actInTime(deps, actor, async (trx): Promise<Dated<PolicyChanged>> => {
    await lockPolicy(trx);
    const versions = await listPolicyVersions(trx);
    const now = await deps.readClock(trx);
    const current = versions.at(-1) as PolicyVersion;
    if (current.version !== replaces)
      throw new Problem('conflict', `The key policy is at version ${current.version}, not ${replaces}.`, {
        hint: 'Look at it again with GET /v1/key-policy, and send the version that it has.',
        extra: { version: current.version },
      });
    if (same(current.policy, policy)) return { ...NOTHING, result: { changed: false, versions, now } };
    const next = { version: replaces + 1, since: now, policy };
    refuseUnsound(versions, next);
    const after = { changed: !dryRun, versions: [...versions, next], now };
    if (dryRun) return { ...NOTHING, result: after };
    await insertPolicyVersion(trx, next, { reason: actor.reason ?? '', actor: actor.id });
    const details = { version: next.version, before: { ...current.policy }, after: { ...policy } };
    // What is lowered counts from that time; what is raised, from the commit.
    const by = lowers(current.policy, policy) ? commitBy({ now, policy: current.policy }) : undefined;
    return { ...NOTHING, result: after, records: [{ kind: 'key_policy.changed', details }], commitBy: by };
  });
  if (result.changed) await seeOwnChange(deps);
  return result;
}
