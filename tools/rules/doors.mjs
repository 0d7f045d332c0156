// Each vendor has one door, as a linter rule: which files of src/ may import which package.
import { basename } from 'node:path';

const BESIDE = ['sandbox/', 'demo/'];

/** `open` names the files that may; the rest of src/ may not. Prefixes of paths under src/. */
export const DOORS = [
  { vendor: /^@(aws-sdk|smithy)\//, open: ['clouds/aws', ...BESIDE], where: 'src/clouds/aws*.ts' },
  { vendor: /^oidc-provider(\/|$)/, open: ['oauth/'], where: 'src/oauth/' },
  { vendor: /^(pg|@electric-sql\/pglite)(\/|$)/, open: ['db/'], where: 'src/db/' },
  { vendor: /^@prometheus-io\/client(\/|$)/, open: ['metrics/'], where: 'src/metrics/' },
  { vendor: /^@opentelemetry\//, open: ['tracing/'], where: 'src/tracing/' },
  { vendor: /^jose(\/|$)/, open: ['keys/', 'tokens/', 'cli/', ...BESIDE], where: 'src/keys/ and src/tokens/' },
  { vendor: /^openid-client(\/|$)/, open: ['cli/login/'], where: 'src/cli/login/' },
  {
    vendor: /^kysely(\/|$)/,
    // The decision of grants/ is one query.
    open: ['db/', 'audit/', 'keys/', 'grants/'],
    files: ['store.ts'],
    where: 'src/db/, src/audit/, src/keys/, src/grants/ and any store.ts',
  },
];

/**
 * @param {string} importer path under src/
 * @param {string} specifier as written
 * @returns {string | undefined} what is wrong and what to do
 */
export function findDoorFault(importer, specifier) {
  const door = DOORS.find(({ vendor }) => vendor.test(specifier));
  if (!door || door.open.some((prefix) => importer.startsWith(prefix)) || door.files?.includes(basename(importer)))
    return undefined;
  return `${importer} must not import ${specifier}: its door is ${door.where}. Call what that folder exports, or add to it there.`;
}
