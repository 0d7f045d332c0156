// Rotation, revocation, policy changes and holds over replicas, as the service does them: one statement, read or tick at a time.
import { activeKey, publishedKeys, standbyKey } from '../../src/keys/timeline.ts';
import { type InvariantName, INVARIANTS, observe } from './invariants.ts';
import { createNames } from './names.ts';
import { PURPOSE, type Rules, UNIT } from './rules.ts';
import type { Protocol, Step } from './search.ts';
import type { Facts, ModelKey, Replica, Setting, State, Statement, Transaction } from './state.ts';

const NO_BYTES = new Uint8Array();
const START = 1000 * UNIT;

function bornRing(setting: Setting): Facts {
  const key = (kid: string): ModelKey => ({ kid, publishedAt: START, bornWithRing: true, public: NO_BYTES });
  return {
    keys: [{ ...key('k0'), seq: 0, signsFrom: START }, key('k1')],
    policies: [{ version: 1, since: START - 1000 * UNIT, policy: setting.policy }],
  };
}

const edit = (keys: readonly ModelKey[], kid: string, change: Partial<ModelKey>): ModelKey[] =>
  keys.map((key) => (key.kid === kid ? { ...key, ...change } : key));

/** @param invariants those that are looked at; every one unless given */
export function createProtocol(
  setting: Setting,
  rules: Rules,
  invariants: readonly InvariantName[] = Object.keys(INVARIANTS) as InvariantName[],
): Protocol<State> {
  const asked = new Set(invariants);
  const { commitDelay, lateness = 0, readDelay = 0 } = setting;
  const policyAt = (facts: Facts, now: number) => rules.effectivePolicy(facts.policies, now);

  /** src/keys/rotate.ts, activateStandby, statement by statement. */
  function activation(facts: Facts, now: number, outageUntil?: number): Statement[] {
    const standby = standbyKey(facts.keys, now) as ModelKey;
    const predecessor = facts.keys.reduce((a, b) => ((b.seq ?? -1) > (a.seq ?? -1) ? b : a));
    const seq = (predecessor.seq ?? 0) + 1;
    const policy = policyAt(facts, now);
    const ends = { removedAt: now + rules.retirement(policy), destroyedAt: now + rules.destruction(policy) };
    const forget = (key: ModelKey): ModelKey =>
      rules.activations === 'updated' && key.seq !== undefined && key.seq < seq - 1 ? { ...key, removedAt: now } : key;
    return [
      {
        text: `inserts ${standby.kid}'s activation`,
        write: (seen) =>
          seen.keys.some((key) => key.seq === seq)
            ? undefined
            : {
                ...seen,
                keys: edit(edit(seen.keys, predecessor.kid, ends), standby.kid, {
                  ...{ seq, signsFrom: now },
                  ...(outageUntil === undefined ? {} : { outageUntil }),
                }).map(forget),
              },
      },
      publication(now),
    ];
  }

  function publication(now: number): Statement {
    return {
      text: 'inserts the next standby',
      write: (seen) => {
        const kid = `k${seen.keys.length}`;
        return { ...seen, keys: [...seen.keys, { kid, publishedAt: now, bornWithRing: false, public: NO_BYTES }] };
      },
    };
  }

  /** src/keys/revoke.ts: which statements, or none where it is refused. */
  function revocation(facts: Facts, kid: string, acceptOutage: boolean, now: number): Statement[] | undefined {
    const standby = standbyKey(facts.keys, now);
    const isActive = activeKey(facts.keys, now)?.kid === kid;
    const seasoned = standby && rules.seasonedAt(standby, policyAt(facts, now));
    const outage = isActive && seasoned !== undefined && seasoned > now ? seasoned : undefined;
    if (outage !== undefined && !acceptOutage && rules.asksForOutage) return undefined;
    // Where it is not asked for, nobody accepted it.
    const accepted = acceptOutage ? outage : undefined;
    return [
      {
        text: `inserts ${kid}'s revocation`,
        write: (seen) => ({ ...seen, keys: edit(seen.keys, kid, { revokedAt: now }) }),
      },
      ...(isActive ? activation(facts, now, accepted) : []),
      ...(standby?.kid === kid ? [publication(now)] : []),
    ];
  }

  /** What may begin now, each with what it costs of what is left. */
  function beginnings({ facts, now, left, open }: State): [Transaction, Partial<State['left']>][] {
    const found: [Transaction, Partial<State['left']>][] = [];
    const begin = (text: string, statements: Statement[], cost: Partial<State['left']>, ofPolicy = false): void =>
      void found.push([{ text, now, statements, done: 0, ofPolicy }, cost]);
    const ofRing = rules.ringLock ? open.every((other) => other.ofPolicy && !rules.policyLock) : open.length < 2;
    const ofPolicy = rules.policyLock ? open.length === 0 : open.every((other) => !other.ofPolicy);
    if (ofRing) {
      const ring = { id: 'ring', issuer: 'issuer', algorithm: 'ES256', purpose: PURPOSE } as const;
      const locked = {
        ring: { ...ring, heldUntil: facts.heldUntil, keys: [...facts.keys] },
        ...{ policy: policyAt(facts, now), now },
      };
      if (left.rotations > 0 && standbyKey(facts.keys, now) && !rules.obstacle(locked))
        begin('a rotation', activation(facts, now), { rotations: left.rotations - 1 });
      if (left.revocations > 0) {
        for (const { kid } of publishedKeys(facts.keys, now)) {
          for (const accept of [false, true]) {
            const statements = revocation(facts, kid, accept, now);
            if (statements)
              begin(`a revocation of ${kid}${accept ? ' with accept_outage' : ''}`, statements, {
                revocations: left.revocations - 1,
              });
          }
        }
      }
      if (left.holds > 0) {
        const until = now + 2 * UNIT;
        begin('a hold', [{ text: 'inserts the hold', write: (seen) => ({ ...seen, heldUntil: until }) }], {
          holds: left.holds - 1,
        });
      }
    }
    if (ofPolicy && left.policies > 0) {
      for (const policy of setting.changes ?? []) {
        const version = facts.policies.length + 1;
        const insert: Statement = {
          text: `inserts policy ${version}`,
          write: (seen) => ({ ...seen, policies: [...seen.policies, { version, since: now, policy }] }),
        };
        begin(`a change of the policy to ${showPolicy(policy)}`, [insert], { policies: left.policies - 1 }, true);
      }
    }
    return found;
  }

  function commit(state: State, transaction: Transaction, facts: Facts): State {
    const newly = facts.keys.filter(
      (key) =>
        key.revokedAt !== undefined && state.facts.keys.every((k) => k.kid !== key.kid || k.revokedAt === undefined),
    );
    const held = state.facts.heldUntil !== undefined && state.facts.heldUntil > transaction.now;
    return {
      ...state,
      facts,
      revoked:
        newly.length === 0
          ? state.revoked
          : { ...state.revoked, ...Object.fromEntries(newly.map((key) => [key.kid, state.now])) },
      ...(held && transaction.text === 'a rotation' ? { rotatedUnderHold: transaction.text } : {}),
    };
  }

  /** The next statement of an open transaction, its commit, or its end by a crash. */
  function transactionSteps(state: State): Step<State>[] {
    return state.open.flatMap((transaction, index) => {
      const rest = state.open.toSpliced(index, 1);
      const statement = transaction.statements[transaction.done];
      const found: Step<State>[] = [
        { text: `${transaction.text} is cut off by a crash`, state: { ...state, open: rest } },
      ];
      if (statement) {
        const open = state.open.with(index, { ...transaction, done: transaction.done + 1 });
        const step = { text: `${transaction.text} ${statement.text}`, state: { ...state, open } };
        if (rules.transaction) found.push(step);
        else {
          const written = statement.write(state.facts);
          if (written) found.push({ ...step, state: commit(step.state, transaction, written) });
        }
        return found;
      }
      if (rules.commitChecked && state.now - transaction.now > commitDelay) return found;
      const written = rules.transaction
        ? transaction.statements.reduce<Facts | undefined>((facts, each) => facts && each.write(facts), state.facts)
        : state.facts;
      if (written)
        found.push({
          text: `${transaction.text} commits`,
          state: commit({ ...state, open: rest }, transaction, written),
        });
      return found;
    });
  }

  /** A read of the view: at once, or asked for and answered. */
  function readSteps(state: State): Step<State>[] {
    const { now, facts, left } = state;
    const alike = (one: Replica, other: Replica): boolean =>
      one.asked === other.asked && one.view.since === other.view.since && one.view.facts === other.view.facts;
    return state.replicas.flatMap((replica, index) => {
      if (state.replicas.findIndex((other) => alike(other, replica)) < index) return [];
      const found: Step<State>[] = [];
      const become = (text: string, next: Replica, spent = left): void =>
        void found.push({
          text: `replica ${index + 1} ${text}`,
          state: { ...state, replicas: state.replicas.with(index, next), left: spent },
        });
      const { asked } = replica;
      if (asked) {
        const since = rules.viewAge === 'sending' ? asked.at : now;
        const policies = rules.policies === 'before' ? asked.facts.policies : facts.policies;
        become('has the answer', { view: { since, facts: { ...asked.facts, policies } } });
        become('never has an answer', { view: replica.view });
        return found;
      }
      if (replica.view.since !== now || replica.view.facts !== facts)
        become('reads its view', { view: { since: now, facts } });
      if (left.slowReads > 0)
        become(
          'sends a read of its view',
          { ...replica, asked: { at: now, facts } },
          { ...left, slowReads: left.slowReads - 1 },
        );
      return found;
    });
  }

  function steps(state: State): Step<State>[] {
    const { now } = state;
    const found = [...transactionSteps(state), ...readSteps(state)];
    const begun = beginnings(state);
    for (const [transaction, cost] of begun)
      found.push({
        text: `${transaction.text} begins`,
        state: { ...state, open: [...state.open, transaction], left: { ...state.left, ...cost } },
      });
    const waits = state.open.every((transaction) => now - transaction.now < commitDelay + lateness);
    const answers = state.replicas.every(({ asked }) => !asked || now - asked.at < readDelay);
    const idle = !setting.eager || (begun.length === 0 && state.replicas.every(({ view }) => view.since === now));
    if (waits && answers && idle)
      found.push({ text: 'a unit of time passes', state: { ...state, now: now + (setting.unit ?? UNIT) } });
    return found.map((step) => ({ text: step.text, state: observe(step.state, setting, rules, asked) }));
  }

  const facts = bornRing(setting);
  const none = { rotations: 0, revocations: 0, policies: 0, holds: 0, slowReads: 0 };
  const initial: State = {
    ...{ now: START, facts, revoked: {}, open: [], lackedUntil: {}, tokensUntil: {}, signedSince: {} },
    replicas: Array.from({ length: setting.replicas }, () => ({ view: { since: START, facts } })),
    left: { ...none, ...setting.left },
  };
  return {
    initial: observe(initial, setting, rules, asked),
    steps,
    broken: (state) => state.broken,
    name: createNames(setting),
  };
}

export function showPolicy({ verifierCache, oldestServed, oldestSigned, clockError }: Setting['policy']): string {
  const [a, d, r, e] = [verifierCache, oldestServed, oldestSigned, clockError].map((ms) => ms / UNIT);
  return `A ${a}, D ${d}, R ${r}, e ${e}`;
}
