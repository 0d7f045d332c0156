// What must hold after every fault: each chain is whole, nothing was answered without its rows, no act is half there.
import { createHash } from 'node:crypto';
import pg from 'pg';
import type { Ledger } from './load.ts';

export interface Checker {
  /** What is new since the last check: chains, and the rows of all that clients received. @returns what does not hold */
  check(ledger: Ledger): Promise<string[]>;
  /** Everything, when nobody asks any more: tables against the acts on record. */
  settle(ledger: Ledger): Promise<string[]>;
  rows(): number;
  streams(): number;
  close(): Promise<void>;
}

interface Row {
  stream: string;
  seq: string;
  row: string;
  hash: Buffer;
}

/** A row is committed at most so long after its time. */
const LATE_MS = 15_000;

/** Tables beside the acts that made and changed their rows. */
const SETTLED: [what: string, sql: string][] = [
  [
    'a workload without its record, or a record without its workload',
    `select coalesce(w.id, a.workload) as it from workloads w full join
       (select distinct workload from audit where kind = 'workload.created') a on a.workload = w.id
     where w.id is null or a.workload is null`,
  ],
  [
    'a workload made twice',
    `select workload as it from audit where kind = 'workload.created' group by 1 having count(*) > 1`,
  ],
  [
    'a workload of another version than its records',
    `select w.id as it from workloads w where w.version <>
       (select count(*) from audit a where a.workload = w.id and a.kind in ('workload.created', 'workload.updated'))`,
  ],
  [
    'a grant without its record, or a record without its grant',
    `select coalesce(g.id, a.id) as it from grants g full join
       (select row::jsonb->'details'->>'grant' as id from audit where kind = 'grant.created') a on a.id = g.id
     where g.id is null or a.id is null`,
  ],
  [
    'an outcome without its intent',
    `select o.exchange as it from audit o where o.kind = 'exchange.outcome'
       and not exists (select from audit i where i.exchange = o.exchange and i.kind = 'exchange.intent')`,
  ],
  [
    'a hand-out without its exchange',
    `select h.exchange as it from audit h where h.kind = 'credentials.handed_out'
       and not exists (select from audit o where o.exchange = h.exchange and o.kind = 'exchange.outcome')`,
  ],
  [
    'two outcomes of one exchange',
    `select exchange as it from audit where kind = 'exchange.outcome' group by 1 having count(*) > 1`,
  ],
  [
    'a ring without exactly one standby',
    `select r.id as it from rings r where 1 <> (select count(*) from signing_keys k where k.ring = r.id
       and not exists (select from activations a where a.kid = k.kid) and not exists (select from revocations v where v.kid = k.kid))`,
  ],
  [
    'a standby or signing key without its private half',
    `select k.kid as it from signing_keys k where not exists (select from private_keys p where p.kid = k.kid)
       and not exists (select from activations a join activations next on next.ring = a.ring and next.seq > a.seq where a.kid = k.kid)
       and not exists (select from revocations v where v.kid = k.kid)`,
  ],
  [
    'a ring whose activations have a gap',
    `select ring as it from activations group by ring having max(seq) - min(seq) + 1 <> count(*)`,
  ],
];

export function createChecker(databaseUrl: string): Checker {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2, connectionTimeoutMillis: 10_000 });
  pool.on('error', () => {});
  const heads = new Map<string, { seq: number; hash: Buffer }>();
  const tokens = new Set<string>();
  const requests = new Set<string>();
  const intents = new Set<string>();
  /** Access key ids by exchange; what was handed out by request. */
  const obtained = new Map<string, string>();
  const handouts = new Map<string, { exchange: string; accessKeyId: string }>();
  const seen = { tokens: 0, sessions: 0, acts: 0 };
  let rows = 0;
  let since = 0;

  function index({ stream, seq, row, hash }: Row): string | undefined {
    const number = Number(seq);
    const head = heads.get(stream) ?? { seq: -1, hash: Buffer.alloc(32) };
    if (number <= head.seq) return undefined;
    if (number !== head.seq + 1) return `stream ${stream}: ${number} follows ${head.seq}`;
    if (!createHash('sha256').update(head.hash).update(row, 'utf8').digest().equals(hash))
      return `stream ${stream}: the hash of ${number} is not that of its row`;
    const entry = JSON.parse(row);
    if (entry.stream !== stream || entry.seq !== number) return `stream ${stream}: row ${number} names another place`;
    if ((number === 0) !== (entry.kind === 'stream.opened')) return `stream ${stream}: ${number} is ${entry.kind}`;
    heads.set(stream, { seq: number, hash });
    rows += 1;
    const { kind, exchange, details = {} } = entry;
    if (kind === 'token.minted') tokens.add(details.jti);
    else if (kind === 'exchange.intent') intents.add(exchange);
    else if (kind === 'exchange.outcome') {
      if (details.outcome === 'obtained') obtained.set(exchange, details.access_key_id);
    } else if (kind === 'credentials.handed_out') {
      handouts.set(details.request_id, { exchange, accessKeyId: details.access_key_id });
    } else if (details.request_id) requests.add(details.request_id);
    return undefined;
  }

  async function check(ledger: Ledger): Promise<string[]> {
    // What clients have now must be there now.
    const given = { tokens: ledger.tokens.length, sessions: ledger.sessions.length, acts: ledger.acts.length };
    const began = Date.now();
    const answer = await pool.query<Row>(
      'select stream, seq, row, hash from audit where at > $1 order by stream, month, seq',
      [new Date(since).toISOString()],
    );
    const wrong = answer.rows.flatMap((row) => index(row) ?? []).slice(0, 5);
    since = began - LATE_MS;
    for (const jti of ledger.tokens.slice(seen.tokens, given.tokens))
      if (!tokens.has(jti)) wrong.push(`a client has the token ${jti}, of which there is no row`);
    for (const { accessKeyId, requestId } of ledger.sessions.slice(seen.sessions, given.sessions)) {
      const { exchange, accessKeyId: given = '' } = handouts.get(requestId) ?? { exchange: '' };
      if (given !== accessKeyId)
        wrong.push(`a client has the credentials ${accessKeyId}, of which there is no hand-out`);
      else if (obtained.get(exchange) !== accessKeyId) wrong.push(`exchange ${exchange} has no outcome`);
      else if (!intents.has(exchange)) wrong.push(`exchange ${exchange} has an outcome without an intent`);
    }
    for (const id of ledger.acts.slice(seen.acts, given.acts))
      if (!requests.has(id)) wrong.push(`the change of ${id} was answered, and there is no row of it`);
    Object.assign(seen, given);
    return wrong;
  }

  return {
    check,
    settle: async (ledger) => {
      since = 0;
      const wrong = await check(ledger);
      for (const [what, sql] of SETTLED) {
        const found = await pool.query<{ it: string }>(sql);
        if (found.rows.length > 0)
          wrong.push(
            `${what}: ${found.rows
              .slice(0, 3)
              .map(({ it }) => it)
              .join(', ')}`,
          );
      }
      return wrong;
    },
    rows: () => rows,
    streams: () => heads.size,
    close: () => pool.end(),
  };
}
