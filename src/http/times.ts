// Times that callers send: days that there are, in years that every part of the service can hold.

/** RFC 3339, or its date alone: what `parseTime` is given. */
export const TIME_PATTERN = '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,6})?)?(Z|[+-]\\d{2}:\\d{2}))?$';

const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * @param text RFC 3339, or its date alone, which begins at midnight UTC.
 * @returns milliseconds since the epoch; undefined for what is no time from 1970 to 9999.
 */
export function parseTime(text: string): number | undefined {
  const at = Date.parse(text);
  const day = text.slice(0, 10);
  const midnight = Date.parse(`${day}T00:00:00Z`);
  // Date.parse takes February 30 for March 1 or 2, and the database does not: nobody meant that.
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return undefined;
  return at >= 0 && at <= LATEST ? at : undefined;
}
