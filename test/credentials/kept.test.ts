// What goes where there is no more room: of whom, and in which order.
import t from 'tap';
import { createKept, type Held, type Room } from '../../src/credentials/kept.ts';

function openKept(room: Partial<Room> = {}) {
  const kept = createKept<Held>({ items: 20, characters: 1e6, ofOne: 5, ...room });
  return {
    kept,
    put: (workload: string, connection: string, name: string, characters = 1) =>
      kept.set({ key: `${workload} ${connection} ${name}`, workload, connection, characters }),
    use: (key: string) => kept.use(kept.get(key) as Held),
    of: (workload: string) => [...kept.values()].filter((item) => item.workload === workload).map(({ key }) => key),
  };
}

t.test('where all is full, who holds most gives, whatever connections it is in, and the others nothing', async (t) => {
  const { kept, put, of } = openKept();
  for (const workload of ['a', 'b', 'c']) put(workload, 'shared', 'steady');
  const others = (): string[] => ['a', 'b', 'c'].flatMap((workload) => of(workload));
  for (let n = 0; n < 1000; n += 1) put('flood', `cn_${n % 100}`, String(n));
  t.equal(kept.size, 20);
  t.equal(others().length, 3, 'not used since, and there');
  t.same(of('flood').at(-1), 'flood cn_99 999', 'what came last is kept');
  for (let n = 0; n < 1000; n += 1) put('second', `cn_${n % 100}`, String(n));
  t.ok(of('second').length >= 8 && of('flood').length >= 8, 'two that ask for much come to have the same');
  t.equal(others().length, 3);
});

t.test('one workload alone may fill all, its longest unused going first', async (t) => {
  const { kept, put, use, of } = openKept();
  for (let n = 0; n < 20; n += 1) put('a', `cn_${n}`, 'one');
  t.equal(kept.size, 20, 'of twenty connections');
  use('a cn_0 one');
  put('a', 'cn_20', 'one');
  t.same([kept.get('a cn_0 one') !== undefined, kept.get('a cn_1 one')], [true, undefined]);
  t.equal(of('a').length, 20);
});

t.test('where all hold the same, who did not use it for longest gives', async (t) => {
  const { kept, put, use, of } = openKept();
  for (let n = 0; n < 20; n += 1) put(`w${n}`, 'cn', 'one');
  use('w0 cn one');
  put('new', 'cn', 'one');
  t.same([of('w0').length, of('w1').length, of('new').length, kept.size], [1, 0, 1, 20]);
});

t.test('beyond its share of a connection a workload gives its own of that connection', async (t) => {
  const { kept, put, of } = openKept();
  put('a', 'elsewhere', 'one');
  put('b', 'cn', 'one');
  for (let n = 0; n < 50; n += 1) put('a', 'cn', String(n));
  t.same(of('a'), ['a elsewhere one', ...[45, 46, 47, 48, 49].map((n) => `a cn ${n}`)]);
  t.equal(kept.size, 7);
});

t.test('what was dropped comes back by no use of it, nor takes the place of what came after it', async (t) => {
  const { kept, put } = openKept();
  put('a', 'cn', 'one', 100);
  const dropped = kept.get('a cn one') as Held;
  kept.delete('a cn one');
  kept.use(dropped);
  for (let n = 0; n < 100; n += 1) put('b', `cn_${n}`, 'one');
  t.equal(kept.size, 20);
  put('a', 'cn', 'one', 1);
  kept.use(dropped);
  put('b', 'cn', 'last');
  t.equal(kept.get('a cn one')?.characters, 1, 'who holds little still holds it');
  t.equal(kept.size, 20);
});

t.test('long ones count as what they are', async (t) => {
  const { kept, put, of } = openKept({ characters: 100 });
  for (let n = 0; n < 4; n += 1) put('small', `cn_${n}`, 'one', 10);
  for (let n = 0; n < 4; n += 1) put('large', `cn_${n}`, 'one', 30);
  t.same(of('small').length, 4, 'more of them, and less in all');
  t.same(of('large'), ['large cn_2 one', 'large cn_3 one']);
  put('large', 'cn_3', 'one', 10);
  put('large', 'cn_4', 'one', 20);
  t.equal(kept.size, 7, 'what takes the place of another gives back its room');
  for (const key of [...of('small'), ...of('large')]) kept.delete(key);
  t.same([kept.size, [...kept.values()]], [0, []]);
  put('large', 'cn', 'one', 100);
  t.equal(kept.size, 1, 'all of the room again');
  kept.clear();
  t.equal(kept.size, 0);
});
