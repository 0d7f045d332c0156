// Scene: the audit rows of all this, read as the security team would, and their chain computed again.
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { type Paint, table } from '../../cli/text.ts';
import { expectEqual, expectThat } from '../expect.ts';
import type { Tell } from '../runner.ts';
import { describeRow, type Names } from './audit-row.ts';
import type { House } from './house.ts';

export interface AuditRow {
  stream: string;
  seq: number;
  at: string;
  kind: string;
  actor?: string;
  workload?: string;
  connection?: string;
  exchange?: string;
  details?: Record<string, unknown>;
  hash: string;
}

/** Oldest first. */
async function readRows({ api }: House): Promise<AuditRow[]> {
  const rows: AuditRow[] = [];
  let cursor: string | undefined;
  do {
    const page = (await api.get('/v1/audit', { limit: 200, cursor })) as { items: AuditRow[]; next_cursor?: string };
    rows.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== undefined);
  return rows.reverse();
}

/** hash = SHA-256(the hash before, RFC 8785 JSON of the row); before a stream's first row stand 32 zero bytes. */
function checkChain(rows: readonly AuditRow[]): number {
  const streams = Map.groupBy(rows, ({ stream }) => stream);
  for (const chained of streams.values()) {
    let previous: Uint8Array = new Uint8Array(32);
    for (const [index, { hash, ...row }] of chained.toSorted((a, b) => a.seq - b.seq).entries()) {
      expectEqual('the place of a row in its stream', row.seq, index);
      const computed = createHash('sha256')
        .update(previous)
        .update(canonicalize(row) ?? '', 'utf8')
        .digest();
      expectEqual(`the hash of row ${row.seq} (${row.kind})`, hash, computed.toString('hex'));
      previous = computed;
    }
  }
  return streams.size;
}

export interface Happened {
  /** Access keys that were handed out and used. */
  accessKeyIds: readonly string[];
  /** What must not be in any row: secrets and tokens. */
  secrets: readonly string[];
  /** Codes that somebody was refused with; AWS's own where STS refused. */
  refusals: readonly string[];
}

export async function readAudit(house: House, happened: Happened, tell: Tell): Promise<AuditRow[]> {
  const rows = await readRows(house);
  const streams = checkChain(rows);
  for (const accessKeyId of happened.accessKeyIds) {
    const outcome = rows.find(
      (row) => row.kind === 'exchange.outcome' && row.details?.['access_key_id'] === accessKeyId,
    );
    const intent = rows.find((row) => row.kind === 'exchange.intent' && row.exchange === outcome?.exchange);
    expectThat(
      outcome !== undefined && intent !== undefined,
      `The exchange of ${accessKeyId} must be on record, intent and outcome.`,
    );
  }
  const codes = new Set(rows.flatMap(({ details = {} }) => [details['code'], details['aws_code']]));
  for (const code of happened.refusals) expectThat(codes.has(code), `The refusal ${code} must be on record.`);
  const text = JSON.stringify(rows);
  expectThat(!happened.secrets.some((secret) => text.includes(secret)), 'No row may hold a token or a secret.');
  tell(`${rows.length} rows in ${streams} streams; each row's hash was computed again from the row before it`);
  tell('intent and outcome of every exchange, and every refusal, are there; no token and no secret is');
  return rows;
}

export function auditTable(paint: Paint, rows: readonly AuditRow[], names: Names): string {
  const lines = table(
    paint,
    ['TIME (UTC)', 'KIND', 'WHO', 'CONNECTION', 'WHAT'],
    rows.map((row) => describeRow(row, names)),
  );
  return lines.trimEnd().replaceAll(/^/gm, '  ');
}
