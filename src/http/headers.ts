// What is refused before anything else looks at a request: headers that came twice, hosts that are not ours.
import type { FastifyRequest } from 'fastify';
import { Problem } from '../errors.ts';

const ONCE = new Set([
  'host',
  'authorization',
  'content-type',
  'content-length',
  'countersign-reason',
  'idempotency-key',
]);

/** The first header that came more than once and must not. @param raw names and values in turn, as Node gives them */
export function findDuplicateHeader(raw: readonly string[]): string | undefined {
  const seen: string[] = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase();
    if (!ONCE.has(name)) continue;
    if (seen.includes(name)) return name;
    seen.push(name);
  }
  return undefined;
}

/** Node keeps the first of some duplicates and says nothing; which one a proxy looked at is anybody's guess. */
export function refuseDuplicateHeaders(request: FastifyRequest): void {
  const name = findDuplicateHeader(request.raw.rawHeaders);
  if (name) throw new Problem('duplicate_header', `The header ${name} came more than once.`, { hint: 'Send it once.' });
}

/** Health and metrics answer any Host: probes go by address. */
export function refuseForeignHosts(
  request: FastifyRequest,
  hosts: ReadonlySet<string>,
  hint = 'Use the host of ISSUER_URL or INTERNAL_URL, or add yours to ALLOWED_HOSTS.',
): void {
  if (request.routeOptions.config.anyHost) return;
  const host = request.headers.host?.toLowerCase() ?? '';
  if (hosts.has(host)) return;
  throw new Problem('misdirected_request', 'This host name is not served here.', {
    hint,
  });
}

declare module 'fastify' {
  interface FastifyContextConfig {
    anyHost?: boolean;
  }
}
