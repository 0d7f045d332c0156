// What was signed and handed out, from the audit log: read once, newest first, in bounded memory however many rows there are.
import { iso } from '../../clock.ts';
import type { Api } from '../api.ts';
import type { Page } from '../pages.ts';

export interface Row {
  at: string;
  kind: string;
  actor?: string;
  workload?: string;
  connection?: string;
  exchange?: string;
  details?: Record<string, unknown>;
}

/** Which rows are asked for, and which of them count. */
export interface Question {
  filter: { workload?: string; connection?: string };
  /** Whether a minted workload token is one of those that may be misused. */
  token(details: Record<string, unknown>): boolean;
  /** Whether an exchange is, by its own web identity token; undefined: by the workload token that it was asked with. */
  exchange?: ((details: Record<string, unknown>, row: Row) => boolean) | undefined;
}

export interface ConnectionFacts {
  connection: string;
  exchanges: number;
  /** By workload. */
  workloads: Record<string, number>;
  first_at: string;
  last_at: string;
  /** That STS gave. */
  sessions: number;
  /** Of these sessions, and of those that another token had obtained before. */
  hand_outs: number;
  refused: number;
  /** STS gave a session that nobody was given. */
  dropped: number;
  /** Nobody knows whether there is a session: the account's CloudTrail does. */
  unknown: number;
  may_live: number;
  may_live_until?: string | undefined;
  access_key_ids: string[];
  access_key_ids_left_out: number;
  session_names: string[];
  kids: string[];
  /** Sessions of ours that what leaked did not touch: so that the owner can tell them from somebody else's. */
  other_access_key_ids: string[];
}

export interface Forged {
  at: string;
  exchange?: string | undefined;
  workload?: string | undefined;
  connection?: string | undefined;
  token_jti: string;
}

export interface Facts {
  rows_read: number;
  from: string;
  to: string;
  tokens: { count: number; workloads: Record<string, number>; last_at?: string; may_live_until?: string };
  connections: ConnectionFacts[];
  /** Exchanges and hand-outs with a workload token of which there is no record: it was not minted here. */
  forged: Forged[];
  forged_left_out: number;
}

/** A workload token is used within its 15 minutes, give or take the clocks. */
const TOKEN_MS = 900_000;
const TOKEN_SLACK_MS = 60_000;
/** STS is asked for at most 10 s; its outcome is on record soon after. */
const OUTCOME_MS = 60_000;
/** Names kept of one connection; the rest is counted. */
const NAMED = 500;
/** Access key ids kept of all together, so that a report on everything stays in memory. */
const NAMED_IN_ALL = 200_000;

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const later = (a: string | undefined, b: string): string => (a === undefined || b > a ? b : a);
function addOnce(list: string[], value: string | undefined): void {
  if (value !== undefined && list.length < NAMED && !list.includes(value)) list.push(value);
}

interface Use {
  row: Row;
  outcome: Row | undefined;
}

/** Takes rows newest first; `finish` says what they come to. */
export function createCollector(question: Question, { since, now }: { since: number; now: number }) {
  const outcomes = new Map<string, Row>();
  /** Exchanges whose workload token has not come up yet, by its jti. */
  const waiting = new Map<string, Use[]>();
  const connections = new Map<string, ConnectionFacts>();
  const tokens: Facts['tokens'] = { count: 0, workloads: {} };
  const forged: Forged[] = [];
  let forgedLeftOut = 0;
  let [rows, named] = [0, 0];

  function factsOf(connection: string, at: string): ConnectionFacts {
    const known = connections.get(connection);
    if (known) return known;
    const fresh: ConnectionFacts = {
      ...{ connection, exchanges: 0, workloads: {}, first_at: at, last_at: at, sessions: 0, hand_outs: 0 },
      ...{
        refused: 0,
        dropped: 0,
        unknown: 0,
        may_live: 0,
        access_key_ids: [],
        access_key_ids_left_out: 0,
        session_names: [],
        kids: [],
      },
      other_access_key_ids: [],
    };
    connections.set(connection, fresh);
    return fresh;
  }

  function count({ row, outcome }: Use): void {
    const facts = factsOf(row.connection ?? '', row.at);
    const { details = {} } = row;
    const workload = row.workload ?? '';
    if (facts.exchanges + facts.hand_outs === 0) [facts.first_at, facts.last_at] = [row.at, row.at];
    const isHandout = row.kind === 'credentials.handed_out';
    facts[isHandout ? 'hand_outs' : 'exchanges'] += 1;
    facts.workloads[workload] = (facts.workloads[workload] ?? 0) + 1;
    facts.first_at = row.at < facts.first_at ? row.at : facts.first_at;
    facts.last_at = later(facts.last_at, row.at);
    addOnce(facts.kids, text(details['kid']));
    const ended = isHandout ? details : (outcome?.details ?? {});
    const how = text(ended['outcome']);
    if (!isHandout) {
      if (how === 'refused') return void (facts.refused += 1);
      if (how === 'obtained' || how === 'handed_out') facts.sessions += 1;
      else if (how === 'dropped') facts.dropped += 1;
      else facts.unknown += 1;
    }
    addOnce(facts.session_names, text(ended['assumed_role_id'])?.split(':')[1]);
    const [accessKey, before] = [text(ended['access_key_id']), facts.access_key_ids.length];
    // A session comes up with its exchange and with each hand-out.
    if (accessKey !== undefined && facts.access_key_ids.includes(accessKey)) return;
    if (named < NAMED_IN_ALL) addOnce(facts.access_key_ids, accessKey);
    named += facts.access_key_ids.length - before;
    if (accessKey !== undefined && facts.access_key_ids.length === before) facts.access_key_ids_left_out += 1;
    const longest = Date.parse(row.at) + OUTCOME_MS + Number(details['duration_seconds'] ?? 43_200) * 1000;
    const until = text(ended['expires_at']) ?? iso(longest);
    if (Date.parse(until) <= now) return;
    facts.may_live += 1;
    facts.may_live_until = later(facts.may_live_until, until);
  }

  /** @param at everything that is older than this has come up */
  function settle(at: number): void {
    for (const [jti, uses] of waiting) {
      if (Date.parse((uses[0] as Use).row.at) - TOKEN_MS - TOKEN_SLACK_MS <= at) break;
      waiting.delete(jti);
      for (const use of uses) {
        count(use);
        const { row } = use;
        const { at: when, exchange, workload, connection } = row;
        if (forged.length < NAMED) forged.push({ at: when, exchange, workload, connection, token_jti: jti });
        else forgedLeftOut += 1;
      }
    }
    for (const [exchange, row] of outcomes) {
      if (Date.parse(row.at) - OUTCOME_MS <= at) break;
      outcomes.delete(exchange);
    }
  }

  function take(row: Row): void {
    rows += 1;
    const { details = {}, exchange = '' } = row;
    const at = Date.parse(row.at);
    settle(at);
    if (row.kind === 'exchange.outcome') outcomes.set(exchange, row);
    if (row.kind === 'exchange.intent') {
      const use = { row, outcome: outcomes.get(exchange) };
      outcomes.delete(exchange);
      if (at < since) return;
      const jti = text(details['token_jti']) ?? '';
      if (question.exchange) {
        if (question.exchange(details, row)) count(use);
        else if (question.filter.connection !== undefined)
          addOnce(
            factsOf(row.connection ?? '', row.at).other_access_key_ids,
            text(use.outcome?.details?.['access_key_id']),
          );
      } else waiting.set(jti, [...(waiting.get(jti) ?? []), use]);
    }
    if (row.kind === 'credentials.handed_out' && !question.exchange && at >= since) {
      const jti = text(details['token_jti']) ?? '';
      waiting.set(jti, [...(waiting.get(jti) ?? []), { row, outcome: undefined }]);
    }
    if (row.kind === 'token.minted') {
      const jti = text(details['jti']) ?? '';
      const uses = waiting.get(jti) ?? [];
      waiting.delete(jti);
      if (!question.token(details)) return;
      for (const use of uses) count(use);
      if (at < since && uses.length === 0) return;
      const who = row.actor ?? '';
      tokens.count += 1;
      tokens.workloads[who] = (tokens.workloads[who] ?? 0) + 1;
      tokens.last_at = later(tokens.last_at, row.at);
      if (at + TOKEN_MS > now) tokens.may_live_until = later(tokens.may_live_until, iso(at + TOKEN_MS));
    }
  }

  return {
    take,
    finish: (): Omit<Facts, 'from' | 'to'> => {
      settle(Number.NEGATIVE_INFINITY);
      const found = [...connections.values()].sort((a, b) => (a.connection < b.connection ? -1 : 1));
      return { rows_read: rows, tokens, connections: found, forged, forged_left_out: forgedLeftOut };
    },
  };
}

/** Reads the log back to `since`, and for tokens that were in use then their 15 minutes more. */
export async function readFacts(
  api: Api,
  question: Question,
  { since, now, progress }: { since: string; now: number; progress(text: string): void },
): Promise<Facts> {
  const collector = createCollector(question, { since: Date.parse(since), now });
  const back = question.exchange ? 0 : TOKEN_MS + TOKEN_SLACK_MS;
  const query = { ...question.filter, from: iso(Date.parse(since) - back), limit: 200 };
  let cursor: string | undefined;
  let read = 0;
  do {
    const page = (await api.get('/v1/audit', { ...query, cursor })) as Page<Row>;
    for (const row of page.items) collector.take(row);
    read += page.items.length;
    cursor = page.next_cursor;
    if (cursor !== undefined && read % 10_000 < 200)
      progress(`read ${read} rows of the audit log, back to ${page.items.at(-1)?.at}`);
  } while (cursor !== undefined);
  return { ...collector.finish(), from: since, to: iso(now) };
}
