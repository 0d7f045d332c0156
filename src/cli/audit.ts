// `countersign audit`: the audit rows, filtered; newest first, or followed as they come.
import type { Command } from 'commander';
import type { Query } from './api.ts';
import type { Call } from './call.ts';
import { addVerb } from './command.ts';
import { usage } from './failure.ts';
import { when } from './options.ts';
import type { Outside } from './outside.ts';
import { listOptions, type ListOptions, more, readPages } from './pages.ts';
import { steadily } from './patience.ts';
import { renewedApi } from './renewed.ts';
import { cell, json, type Paint, table } from './text.ts';

interface Row {
  at: string;
  kind: string;
  actor?: string;
  workload?: string;
  connection?: string;
  exchange?: string;
  hash: string;
  [member: string]: unknown;
}

interface AuditOptions extends ListOptions {
  kind?: string;
  actor?: string;
  workload?: string;
  connection?: string;
  exchange?: string;
  from?: string;
  to?: string;
  follow?: true;
}

/** Rows become durable in groups, so one may show up a little after a later one. */
const OVERLAP_MS = 10_000;
const PAUSE_MS = 2_000;

const filters = ({ kind, actor, workload, connection, exchange, from, to }: AuditOptions): Query => ({
  kind,
  actor,
  workload,
  connection,
  exchange,
  from,
  to,
});

const detail = (row: Row, name: string): unknown => (row.details as Record<string, unknown> | undefined)?.[name];

/** What a person wants of a row: when, what, who, on what, how it ended, and why. */
const COLUMNS: readonly [string, (row: Row) => unknown][] = [
  ['AT', (row) => row.at],
  ['KIND', (row) => row.kind],
  ['ACTOR', (row) => row.actor],
  ['WORKLOAD', (row) => (row.workload === row.actor ? undefined : row.workload)],
  ['CONNECTION', (row) => row.connection],
  ['EXCHANGE', (row) => row.exchange],
  ['CODE', (row) => detail(row, 'code')],
  ['AS', (row) => detail(row, 'as')],
  ['REASON', (row) => detail(row, 'reason')],
];

/** Columns in which no row has anything are left out. */
function rowTable(paint: Paint, rows: readonly Row[]): string {
  const shown = COLUMNS.filter(([, of]) => rows.some((row) => of(row) !== undefined));
  return table(
    paint,
    shown.map(([name]) => name),
    rows.map((row) => shown.map(([, of]) => of(row))),
  );
}

/** Rows as they become durable, oldest first, until the process is ended, through outages. With --json, one row a line. */
async function follow(call: Call<AuditOptions>): Promise<never> {
  const { options, outside } = call;
  const api = await renewedApi(call);
  const print = (row: Row): unknown =>
    outside.stdout.write(options.json ? `${json(row, 0)}\n` : `${COLUMNS.map(([, of]) => cell(of(row))).join('  ')}\n`);
  let seen = new Set<string>();
  let from = options.from ?? new Date(outside.now()).toISOString();
  for (;;) {
    const read = () => readPages<Row>(api, '/v1/audit', { ...filters(options), from }, { all: true });
    const { items } = await steadily(read, outside);
    for (const row of items.toReversed()) if (!seen.has(row.hash)) print(row);
    seen = new Set(items.map((row) => row.hash));
    const newest = items[0];
    if (newest) from = new Date(Math.max(Date.parse(from), Date.parse(newest.at) - OVERLAP_MS)).toISOString();
    await outside.sleep(PAUSE_MS);
  }
}

export function addAuditCommand(program: Command, outside: Outside): void {
  addVerb<AuditOptions>(program, outside, {
    usage: 'audit',
    summary: 'Show audit rows, newest first.',
    examples: [
      'countersign audit --connection cn_… --from 24h',
      'countersign audit --kind token.minted --actor wl_… --limit 20 --json',
      'countersign audit --follow',
    ],
    options: (command) =>
      listOptions(
        command
          .option('--kind <kind>', 'of this kind, such as exchange.intent')
          .option('--actor <id>', 'by this actor')
          .option('--workload <id>', 'about this workload')
          .option('--connection <id>', 'about this connection')
          .option('--exchange <id>', 'of this exchange')
          .option('--from <time>', 'from this time on: RFC 3339, or how long ago (30s, 15m, 2h, 7d)', when(outside.now))
          .option('--to <time>', 'before this time', when(outside.now))
          .option('--follow', 'go on as rows come; with --json, one a line'),
      ),
    run: async (call) => {
      const { options, show } = call;
      if (options.follow) {
        if (options.to !== undefined || options.cursor !== undefined)
          throw usage('--follow goes without --to and --cursor.');
        return await follow(call);
      }
      const page = await readPages<Row>(await call.api(), '/v1/audit', filters(options), options);
      show(page, (paint) => rowTable(paint, page.items) + more(page));
    },
  });
}
