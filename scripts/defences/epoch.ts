// The epoch check of the audit stream, taken out whole: what was decided under another epoch is written all the same.
import type { Defence } from './defence.ts';

const stream = 'src/audit/stream.ts';
const store = 'src/audit/store.ts';

export const WITHOUT_EPOCH: Pick<Defence, 'file' | 'find' | 'replace' | 'also'> = {
  ...{ file: stream, find: 'pending.epoch !== undefined && pending.epoch !== epoch', replace: 'false' },
  also: [
    { file: stream, find: 'if (epoch !== decided) return false;', replace: '' },
    { file: store, find: 'standing where standing.epoch = ${epoch} ${KEY_ORDER}', replace: 'standing ${KEY_ORDER}' },
    {
      file: store,
      find: '${rowsTable(rows)}, standing where standing.epoch = ${epoch})',
      replace: '${rowsTable(rows)}, standing)',
    },
  ],
};
