// GET /v1/audit.
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Db } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { requireScopes } from '../http/caller.ts';
import { decodeCursor, PageQuery, pageOf, toPage } from '../http/paging.ts';
import { parseTime, TIME_PATTERN } from '../http/times.ts';
import { listAuditRows } from './read.ts';

const Text = Type.Optional(Type.String({ minLength: 1, maxLength: 100, pattern: '^[!-~]+$' }));
const Time = Type.Optional(
  Type.String({
    pattern: TIME_PATTERN,
    description: 'RFC 3339',
  }),
);

const Query = Type.Object(
  { kind: Text, actor: Text, workload: Text, connection: Text, exchange: Text, from: Time, to: Time, ...PageQuery },
  { additionalProperties: false },
);

/** A row as it was hashed, and its hash; `details` differ by kind. */
const AuditRow = Type.Object({
  v: Type.Integer(),
  stream: Type.String(),
  seq: Type.Integer(),
  at: Type.String(),
  kind: Type.String(),
  actor: Type.Optional(Type.String()),
  workload: Type.Optional(Type.String()),
  connection: Type.Optional(Type.String()),
  exchange: Type.Optional(Type.String()),
  details: Type.Optional(Type.Object({}, { additionalProperties: true })),
  hash: Type.String({ description: 'SHA-256 of the previous hash and the RFC 8785 JSON of the row, hex' }),
});

/** As the database reads it, whatever zone it was given in. @throws Problem `invalid_request` */
function toTime(name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const at = parseTime(value);
  if (at !== undefined) return new Date(at).toISOString();
  throw new Problem('invalid_request', `querystring.${name} is not a time.`, {
    hint: 'Write it as 2026-01-31T12:00:00Z.',
  });
}

/** Whether this is where a row may stand: its time to the microsecond, its stream, its number. */
function isPosition([at = '', , seq = '']: readonly string[]): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(at) && parseTime(at) !== undefined && /^\d{1,18}$/.test(seq);
}

export function registerAuditRoutes(server: FastifyInstance, { db }: { db: Db }): void {
  server.get(
    '/v1/audit',
    {
      schema: {
        operationId: 'listAuditRows',
        summary: 'The audit log, newest first',
        tags: ['audit'],
        querystring: Query,
        response: { 200: pageOf(AuditRow) },
      },
      preHandler: requireScopes('audit:read'),
    },
    async (request) => {
      const { limit = 50, cursor, ...filter } = request.query as Static<typeof Query>;
      const between = { from: toTime('from', filter.from), to: toTime('to', filter.to) };
      const after = decodeCursor(cursor, 3);
      if (after && !isPosition(after)) {
        throw new Problem('invalid_cursor', 'This cursor is not one that this list gave out.', {
          hint: 'Start again without a cursor.',
        });
      }
      const rows = await listAuditRows(db, { ...filter, ...between }, after, limit + 1);
      return toPage(
        rows,
        limit,
        (row) => ({ ...(JSON.parse(row.row) as Static<typeof AuditRow>), hash: row.hash }),
        (row) => [...row.position],
      );
    },
  );
}
