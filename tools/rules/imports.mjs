// The house's one-way order, as a linter rule: who may import whom inside src/.
import { basename, dirname, posix } from 'node:path';

/** From the top: a layer may import every layer below it, never one above and never its own neighbours. */
export const LAYERS = [
  ['main.ts'],
  ['service.ts'],
  ['start.ts', 'listen.ts', 'tasks.ts', 'watched.ts'],
  ['app.ts', 'prepare.ts', 'background.ts', 'readiness.ts', 'metrics', 'tracing'],
  ['opening.ts', 'snapshot.ts'],
  ['oauth', 'credentials', 'status'],
  ['grants', 'identities'],
  ['connections', 'workloads', 'administrators', 'publishing', 'trusted-issuers'],
  ['clients'],
  ['tokens'],
  ['issuers'],
  ['keys'],
  ['http'],
  ['seal'],
  ['audit'],
  ['db'],
];

/** Anybody may import these, and they import only one another. */
export const LEAVES = [
  'clouds',
  'config.ts',
  'variables.ts',
  'errors.ts',
  'ids.ts',
  'json.ts',
  'clock.ts',
  'trace.ts',
  'shared-reads.ts',
  'reach',
  'http/scopes.ts',
  'http/addresses.ts',
  'http/bounds.ts',
  'http/tls.ts',
  'metrics/count.ts',
  'db/environment.ts',
  'tracing/settings.ts',
  'keys/policy.ts',
  'keys/sources.ts',
  'credentials/freshness.ts',
  'credentials/schema.ts',
];

/** Beside the service: nothing in it imports them. `now` by a plain import, `late` by `import(...)` alone. */
export const OUTSIDE = {
  cli: {
    now: ['agent'],
    late: ['main.ts', 'db', 'keys', 'sandbox'],
    why: 'the command talks to the API; what runs in its process it imports late',
  },
  agent: {
    now: ['http'],
    late: [],
    why: 'the agent stands beside its callers and asks the service over HTTP; how it proves who it is, the command passes in',
  },
  sandbox: {
    now: [],
    late: [],
    why: 'the sandbox stands for AWS: with our own code in it, it would share our mistakes',
  },
  demo: { now: ['cli', 'sandbox'], late: ['main.ts'], why: 'the demo does what any caller can, over HTTP' },
};

// Routes stand on http wherever their folder is, and only app.ts mounts them.
const ROUTES = 'routes.ts';

function isLeaf(file) {
  return LEAVES.some((leaf) => file === leaf || file.startsWith(`${leaf}/`));
}

/** The folder under src/, or the file that stands there by itself. */
function nameRoom(file) {
  return file.split('/')[0];
}

function rankOf(room) {
  return LAYERS.findIndex((layer) => layer.includes(room));
}

/**
 * @param {string} importer path under src/
 * @param {string} specifier as written
 * @param {boolean} late by `import(...)`
 * @returns {string | undefined} what is wrong and what to do
 */
export function findImportFault(importer, specifier, late = false) {
  if (!specifier.startsWith('.')) return undefined;
  const target = posix.join(dirname(importer), specifier);
  const from = nameRoom(importer);
  const to = nameRoom(target);
  if (target.startsWith('..'))
    return target === '../package.json'
      ? undefined
      : `${importer} leaves src/: the service imports nothing of ${specifier}.`;
  if (from === to && from in OUTSIDE) return undefined;
  if (from in OUTSIDE) {
    const { now, late: lateOnly, why } = OUTSIDE[from];
    if (isLeaf(target) || now.includes(to) || (late && lateOnly.includes(to))) return undefined;
    return `${from} must not import ${target}: ${why}.`;
  }
  if (to in OUTSIDE)
    return `${importer} must not import ${target}: the service works without ${to}, and its image does not carry the sandbox and the demo.`;
  if (isLeaf(target)) return undefined;
  if (isLeaf(importer))
    return from === to && from === 'clouds'
      ? undefined
      : `${importer} is a leaf and must not import ${target}: leaves import only leaves. Give it what it needs as an argument.`;
  if (rankOf(from) < 0) return `src/${from} is in no layer: give it a place in LAYERS, in tools/rules/imports.mjs.`;
  if (rankOf(to) < 0) return `src/${to} is in no layer: give it a place in LAYERS, in tools/rules/imports.mjs.`;
  if (basename(target) === ROUTES)
    return from === 'app.ts' ? undefined : `${importer} must not import ${target}: only app.ts mounts routes.`;
  if (from === to || rankOf(from) < rankOf(to)) return undefined;
  if (to === 'http' && basename(importer) === ROUTES) return undefined;
  const order = LAYERS.map((layer) => (layer.length > 1 ? `{${layer.join(', ')}}` : layer[0])).join(' -> ');
  return `${importer} must not import ${target}: imports run one way (${order}). Let service.ts pass it in.`;
}
