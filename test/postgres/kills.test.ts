// kill -9 of replicas over one PostgreSQL, under load; with the other two files of kills a hundred times.
import t from 'tap';
import { killUnderLoad } from '../soak/kill-test.ts';

t.test('thirty kills of replicas that serve: nothing answered is unrecorded, nothing is half done', (t) =>
  killUnderLoad(t, { seed: 20_261_126, count: 30, atStart: 0.1 }),
);
