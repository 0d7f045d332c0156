// States that behave alike have one name: times relative to now, and no further back than anything still depends on them.
import type { KeyPolicy } from '../../src/keys/policy.ts';
import { keyState } from '../../src/keys/timeline.ts';
import { UNIT } from './rules.ts';
import type { Facts, ModelKey, Setting, State } from './state.ts';

export type NameState = (state: State) => string;

const ahead = (at: number | undefined, now: number): string =>
  at === undefined ? '' : String(Math.max(-1, (at - now) / UNIT));

export function createNames({ policy, changes = [] }: Setting): NameState {
  const most = (value: (policy: KeyPolicy) => number): number => Math.max(...[policy, ...changes].map(value));
  const [oldestServed, oldestSigned] = [most((each) => each.oldestServed), most((each) => each.oldestSigned)];
  // Seasoned, and nobody goes by an older policy.
  const settled = most((each) => each.verifierCache) + oldestServed + oldestSigned + most((each) => each.clockError);
  const oldest = -settled / UNIT - 1;
  const ago = (at: number | undefined, now: number): string =>
    at === undefined ? '' : String(Math.max(oldest, (at - now) / UNIT));

  function nameKey(key: ModelKey, now: number): string {
    const is = keyState(key, now);
    if (is === 'standby') return key.bornWithRing ? 'b' : `s${ago(key.publishedAt, now)}`;
    const outage = key.outageUntil === undefined ? '' : `o${ahead(key.outageUntil, now)}`;
    return `${is[0]}${is === 'verify_only' ? ahead(key.removedAt, now) : ''}${outage}d${ahead(key.destroyedAt, now)}`;
  }

  const named = new WeakMap<Facts, Map<number, string>>();
  function nameFacts(facts: Facts, now: number): string {
    let names = named.get(facts);
    if (!names) named.set(facts, (names = new Map<number, string>()));
    const known = names.get(now);
    if (known !== undefined) return known;
    const policies = facts.policies.map(
      (each) =>
        `${Object.values(each.policy)
          .map((ms) => ms / UNIT)
          .join('.')}@${ago(each.since, now)}`,
    );
    const name = `${facts.keys.map((key) => nameKey(key, now)).join(' ')};${policies.length > 1 ? policies.join(' ') : ''};${ahead(facts.heldUntil, now)}`;
    names.set(now, name);
    return name;
  }

  return (state) => {
    const { now } = state;
    const nameRead = (at: number, facts: Facts): string =>
      `${ago(at, now)}:${facts === state.facts ? '' : nameFacts(facts, now)}`;
    const replicas = state.replicas
      .map(({ view, asked }) => {
        // A view that is neither signed by nor served is as good as none.
        const alive = now - view.since < Math.max(oldestServed, oldestSigned);
        return `${alive ? nameRead(view.since, view.facts) : '-'}${asked ? `<${nameRead(asked.at, asked.facts)}` : ''}`;
      })
      .sort();
    const owed = state.facts.keys.map((key) => {
      const { kid } = key;
      const published = key.bornWithRing || state.signedSince[kid] !== undefined ? '' : ago(key.publishedAt, now);
      return `${ahead(state.tokensUntil[kid], now)},${ahead(state.lackedUntil[kid], now)},${published},${ago(state.revoked[kid], now)}`;
    });
    const open = state.open.map(({ text, done, now: at }) => `${text}${done}@${ago(at, now)}`);
    const left = Object.values(state.left).join('.');
    return [nameFacts(state.facts, now), replicas.join('|'), owed.join(' '), open.join('|'), left].join('#');
  };
}
