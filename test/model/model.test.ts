// Every interleaving of small worlds is looked at, by the real arithmetic; and each of many mistakes is found by it.
import t from 'tap';
import { FAULTS } from './faults.ts';
import { INVARIANTS, type InvariantName } from './invariants.ts';
import { createProtocol } from './protocol.ts';
import { PRODUCT } from './rules.ts';
import { search } from './search.ts';
import { SETTINGS } from './settings.ts';
import { tell } from './tell.ts';

t.test('whatever happens in which order, every promise holds', async (t) => {
  let [states, steps] = [0, 0];
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const searched = search(createProtocol(setting, PRODUCT));
    t.same(searched.broken && tell(searched.broken), undefined, name);
    t.ok(searched.whole, `${name}: nothing is left to look at`);
    t.comment(`${name}: ${searched.states} states, ${searched.steps} steps, ${searched.depth} deep`);
    states += searched.states;
    steps += searched.steps;
  }
  t.comment(`${states} states, ${steps} steps`);
});

t.test('each mistake is found, with the promise that it breaks and how', async (t) => {
  for (const { name, rules, breaks, ...fault } of FAULTS) {
    const { broken } = search(createProtocol(SETTINGS[fault.in], { ...PRODUCT, ...rules }, [breaks]));
    t.ok(broken?.invariant.startsWith(INVARIANTS[breaks]), `${name} breaks: ${INVARIANTS[breaks]}`);
    if (broken) t.comment(tell(broken));
  }
});

t.test('every promise has a mistake that breaks it', async (t) => {
  const broken = new Set(FAULTS.map(({ breaks }) => breaks));
  t.same(
    (Object.keys(INVARIANTS) as InvariantName[]).filter((name) => !broken.has(name)),
    [],
  );
});
