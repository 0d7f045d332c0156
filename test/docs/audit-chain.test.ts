// The query that docs/security-team.md gives for reading the chain: silent over a sound log, and it names what was touched.
import { sql } from 'kysely';
import t from 'tap';
import { createAct, SYSTEM } from '../../src/audit/act.ts';
import { ensurePartitions } from '../../src/audit/store.ts';
import { createAuditStream } from '../../src/audit/stream.ts';
import { openTestDatabase } from '../support/databases.ts';
import { listCodeBlocks, readPage } from './pages.ts';

t.test('the documented query', async (t) => {
  const database = await openTestDatabase(t);
  const { db } = database;
  let wall = Date.UTC(2026, 0, 31, 23, 59);
  const clock = { wall: () => wall, monotonic: () => wall };
  await ensurePartitions(db, new Date(wall));
  const stream = createAuditStream({ database, clock, deadlineMs: 30_000 });
  const act = createAct(createAuditStream({ database, clock }));
  for (let minute = 0; minute < 3; minute += 1) {
    for (const actor of ['wl_a', 'wl_ü'])
      await stream.append({ entry: { kind: 'token.minted', actor, details: { scope: 'é "quoted"' } } });
    await act(SYSTEM, async () => ({ result: undefined, records: [{ kind: 'key.rotated' }], affectsDecisions: false }));
    wall += 60_000;
  }
  const [query = ''] = listCodeBlocks(readPage('docs/security-team.md'), 'sql');
  const broken = async () =>
    (await sql<{ stream: string; seq: number }>`${sql.raw(query.replace(/;\s*$/, ''))}`.execute(db)).rows;

  const { rows } = await sql<{
    streams: number;
    rows: number;
  }>`select count(distinct stream) as streams, count(*) as rows from audit`.execute(db);
  t.match(rows[0], { streams: 4, rows: 13 }, 'two months of two streams, each opened');
  t.strictSame(await broken(), [], 'a sound log');

  const { rows: touched } = await sql<{ stream: string }>`
    update audit set row = replace(row, 'wl_a', 'wl_b') where actor = 'wl_a' and seq = 1 returning stream`.execute(db);
  t.ok(touched.length > 0);
  t.match(
    await broken(),
    touched.map(({ stream: name }) => ({ stream: name, seq: 1 })),
    'an altered row',
  );
  await sql`update audit set row = replace(row, 'wl_b', 'wl_a') where seq = 1`.execute(db);
  t.strictSame(await broken(), []);

  const { rows: removed } = await sql<{ stream: string; seq: number }>`
    delete from audit where seq = 1 and kind = 'token.minted' and at < '2026-02-01' returning stream, seq`.execute(db);
  t.match(
    await broken(),
    removed.map(({ stream: name }) => ({ stream: name, seq: 2 })),
    'a row taken out',
  );
});
