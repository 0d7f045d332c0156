// kill -9 of replicas on their way up, while others serve; with the other two files of kills a hundred times.
import t from 'tap';
import { killUnderLoad } from '../soak/kill-test.ts';

t.test('forty kills of replicas that start: nothing answered is unrecorded, nothing is half done', (t) =>
  killUnderLoad(t, { seed: 20_261_127, count: 40, atStart: 0.9 }),
);
