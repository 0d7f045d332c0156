// A connection as the API shows it, and as people read it.
import { segment } from './api.ts';
import { fields, type Paint, type Warning, warned } from './text.ts';

export interface Connection {
  id: string;
  reference: string | null;
  name: string;
  tenant: string;
  labels: Record<string, string>;
  state: string;
  state_reason: string;
  issuer: { id: string; url: string };
  aws: { account_id: string; role_arn: string; [member: string]: unknown };
  verification: { last_code: string | null; last_detail: string | null; [member: string]: unknown } | null;
  warnings?: Warning[];
  [member: string]: unknown;
}

export const connectionPath = (connection: string): string => `/v1/connections/${segment(connection)}`;

/** Its members a line each, those of objects by a dotted name; under them what asks for a second look. */
export function connectionFields(paint: Paint, { warnings = [], ...connection }: Connection): string {
  const members = Object.entries(connection).flatMap(([name, value]): [string, unknown][] =>
    ['issuer', 'aws', 'verification'].includes(name) && value !== null
      ? Object.entries(value as object).map(([member, inner]) => [`${name}.${member}`, inner])
      : [[name, value]],
  );
  return fields(paint, members) + warned(paint, warnings);
}
