// Identifiers: of their form, and never twice; names of requests too, over every place where their number carries.
import t from 'tap';
import { createId, createRequestIds } from '../src/ids.ts';

t.test('an identifier is 128 random bits', async (t) => {
  const ids = Array.from({ length: 1000 }, () => createId('cn'));
  t.equal(new Set(ids).size, 1000);
  t.ok(ids.every((id) => /^cn_[a-z2-7]{26}$/.test(id)));
});

t.test('requests have names of that form, each its own, in every process', async (t) => {
  const [one, other] = [createRequestIds(), createRequestIds()];
  const names = Array.from({ length: 1024 * 1024 + 2048 }, one);
  t.equal(new Set(names).size, names.length);
  for (const name of [names[0], names[1023], names[1024], names[1024 * 1024], names.at(-1)])
    t.match(name, /^rq_[a-z2-7]{26}$/);
  t.not(names[0]?.slice(0, 21), other().slice(0, 21), 'another process counts apart');
});
