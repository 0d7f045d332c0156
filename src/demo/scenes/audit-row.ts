// One audit row on one line of a terminal: ids by the names that the demo gave them, and the one detail that matters.
import type { AuditRow } from './audit.ts';
import { short } from './credentials.ts';

/** What people call an id, where the demo named it. */
export type Names = ReadonlyMap<string, string>;

type Details = Record<string, unknown>;

const clock = (at: unknown): string => String(at).slice(11, 19);
const key = (kid: unknown): string => `key ${short(String(kid))}`;

/** `/v1/connections/Acme/credentials`: the issuer is the same everywhere. */
function audience(value: unknown, names: Names): string {
  const { pathname } = new URL(String(value));
  return pathname.replace(/cn_[a-z2-7]+/, (id) => names.get(id) ?? id);
}

function outcome({ outcome: how, access_key_id: accessKeyId, expires_at: until, aws_code: awsCode }: Details): string {
  if (how === 'obtained') return `obtained ${accessKeyId}, until ${clock(until)}`;
  return `${how}: STS answered ${awsCode}`;
}

const WHAT: Record<string, (details: Details, names: Names) => string> = {
  'token.minted': (details, names) => `for ${audience(details['audience'], names)}, ${key(details['kid'])}`,
  'exchange.intent': (details) => `${Number(details['duration_seconds']) / 60} minutes, ${key(details['kid'])}`,
  'exchange.outcome': outcome,
  'credentials.handed_out': (details) => `${details['access_key_id']}`,
  'key.rotated': (details) => `${key(details['predecessor'])} -> ${key(details['kid'])}`,
  'connection.verification_intent': (details) => key(details['kid']),
  'connection.verification_failed': (details) => `STS answered ${details['code']}; asked again`,
  'connection.verified': (details) => `role ${details['role_id']}`,
  'workload.created': (details) => String(details['slug'] ?? ''),
};

/** What matters of a kind that has no line above: its code, or nothing. */
const otherwise = (details: Details): string => (details['code'] === undefined ? '' : String(details['code']));

/** @returns time, kind, who, connection, what */
export function describeRow({ at, kind, actor, workload, connection, details = {} }: AuditRow, names: Names): string[] {
  const nameOf = (id: string | undefined): string => (id === undefined ? '' : (names.get(id) ?? id));
  const what = (WHAT[kind] ?? otherwise)(details, names);
  const about = workload === undefined || workload === actor || what.includes(nameOf(workload)) ? '' : nameOf(workload);
  return [at.slice(11, 23), kind, nameOf(actor), nameOf(connection), [about, what].filter(Boolean).join(' ')];
}
