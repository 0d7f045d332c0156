// `npm run soak:model -- --minutes N`: the search of the model for longer, in worlds too large for the suite.
import { createProtocol } from '../model/protocol.ts';
import { PRODUCT } from '../model/rules.ts';
import { search } from '../model/search.ts';
import { SETTINGS } from '../model/settings.ts';
import type { Setting } from '../model/state.ts';
import { tell } from '../model/tell.ts';
import { readOptions } from './options.ts';

/** States that fit into the memory that Node gives a process by itself. */
const MOST = 3_000_000;

const { minutes } = readOptions();
const until = performance.now() + minutes * 60_000;
let failed = false;

/** Of one more of everything than in the world before. */
function enlarge(setting: Setting, more: number): Setting {
  const left = Object.fromEntries(Object.entries(setting.left).map(([name, count]) => [name, count + more]));
  return { ...setting, replicas: Math.max(3, setting.replicas), left };
}

for (let more = 0; performance.now() < until && !failed; more += 1) {
  for (const [name, setting] of Object.entries<Setting>(SETTINGS)) {
    if (performance.now() >= until || failed) break;
    const larger = setting.eager ? setting : enlarge(setting, more);
    const { states, steps, depth, whole, broken } = search(createProtocol(larger, PRODUCT), MOST, until);
    const all = whole ? 'all' : 'the first';
    console.log(`${name} ${JSON.stringify(larger.left)}: ${all} ${states} states, ${steps} steps, ${depth} deep`);
    if (broken) console.log(`FAIL ${tell(broken)}`);
    failed ||= broken !== undefined;
  }
}
process.exitCode = failed ? 1 : 0;
