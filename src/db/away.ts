// Whether an error says that the database is away or busy: trying again mends it, nothing else does.
import { isUnanswered } from './wire.ts';

/** PostgreSQL's, the network's and TLS's ways to say it; 25006 is a standby that was not promoted yet. */
const CODES =
  /^(08|40|53|57P|57014|55P03|25006|ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE|ENOENT|EPROTO|ERR_SSL_)/;

export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isUnanswered(error)) return true;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && CODES.test(code)) return true;
  return /timeout|terminated|Connection ended|not queryable|not currently accepting connections|establishing an SSL connection/i.test(
    error.message,
  );
}

/** What the driver says, without the URL and its password. */
export function describeDatabaseError(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return [code, message?.replaceAll(/postgres(ql)?:\/\/\S+/g, '[DATABASE_URL]')].filter(Boolean).join(' ');
}
