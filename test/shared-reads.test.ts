// Questions that are asked at once share a read, and none is answered by one that began before it.
import t from 'tap';
import { shareReads } from '../src/shared-reads.ts';

function openReads() {
  const reads: { question: string; resolve(answer: string): void; reject(error: Error): void }[] = [];
  const ask = shareReads(
    (question: string) => new Promise<string>((resolve, reject) => reads.push({ question, resolve, reject })),
    (question) => question,
  );
  return { reads, ask };
}

t.test('no answer is older than its question', async (t) => {
  const { reads, ask } = openReads();
  const first = ask('a');
  const meanwhile = [ask('a'), ask('a'), ask('a')];
  const other = ask('b');
  t.same(
    reads.map(({ question }) => question),
    ['a', 'b'],
    'another question does not wait',
  );
  reads[0]?.resolve('before');
  t.equal(await first, 'before');
  t.equal(reads.length, 3, 'one read for all who asked meanwhile');
  const late = ask('a');
  reads[2]?.resolve('after');
  t.same(await Promise.all(meanwhile), ['after', 'after', 'after']);
  reads[1]?.resolve('b');
  await other;
  t.equal(reads.length, 4, 'asked while that one was under way');
  reads[3]?.resolve('later');
  t.equal(await late, 'later');
  void ask('a');
  t.equal(reads.length, 5, 'nothing is kept');
});

t.test('a read that fails fails those who share it, and nobody after', async (t) => {
  const { reads, ask } = openReads();
  const first = ask('a');
  const second = ask('a');
  reads[0]?.reject(new Error('gone'));
  await t.rejects(first, /gone/);
  reads[1]?.resolve('well');
  t.equal(await second, 'well');
});
