// The house's own linter rules, for oxlint: one-way imports, one door per vendor, time as a parameter, an opening sentence, patterns that can fail.
import { relative, sep } from 'node:path';
import { findDoorFault } from './doors.mjs';
import { findImportFault } from './imports.mjs';
import { opening } from './opening.mjs';
import { patterns } from './patterns.mjs';

/** @returns {string | undefined} the path under src/ */
function pathInService(context) {
  const path = relative(context.cwd, context.filename).split(sep).join('/');
  return path.startsWith('src/') ? path.slice('src/'.length) : undefined;
}

/** Visits whatever names a module: imports, re-exports, `import(...)`, and types by `import('x').T`. */
function onEachImport(findFault) {
  return {
    create(context) {
      const importer = pathInService(context);
      if (importer === undefined) return {};
      const check = (node, source, late) => {
        const specifier = source?.value ?? source?.literal?.value;
        const message = typeof specifier === 'string' ? findFault(importer, specifier, late) : undefined;
        if (message) context.report({ node, message });
      };
      return {
        ImportDeclaration: (node) => check(node, node.source, false),
        ExportNamedDeclaration: (node) => check(node, node.source, false),
        ExportAllDeclaration: (node) => check(node, node.source, false),
        ImportExpression: (node) => check(node, node.source, true),
        TSImportType: (node) => check(node, node.source ?? node.argument, false),
      };
    },
  };
}

// Outside the service proper a process may look at its own clock.
const OWN_CLOCK = ['clock.ts', 'cli/', 'sandbox/', 'demo/'];
const CLOCKS = { Date: ['now'], performance: ['now'], Math: ['random'], process: ['hrtime', 'uptime'] };

const clock = {
  create(context) {
    const file = pathInService(context);
    if (file === undefined || OWN_CLOCK.some((prefix) => file.startsWith(prefix))) return {};
    const report = (node, what) =>
      context.report({
        node,
        message: `${what} is read from the process: take a Clock (src/clock.ts) or the value as a parameter, so that a test can step it.`,
      });
    const isDate = (node) => node.callee.type === 'Identifier' && node.callee.name === 'Date';
    return {
      MemberExpression(node) {
        if (node.object.type !== 'Identifier' || node.property.type !== 'Identifier' || node.computed) return;
        const owner = node.object.name;
        if (Object.hasOwn(CLOCKS, owner) && CLOCKS[owner].includes(node.property.name))
          report(node, `${owner}.${node.property.name}`);
      },
      NewExpression(node) {
        if (isDate(node) && node.arguments.length === 0) report(node, 'new Date()');
      },
      CallExpression(node) {
        if (isDate(node)) report(node, 'Date()');
      },
    };
  },
};

export default {
  meta: { name: 'house' },
  rules: { imports: onEachImport(findImportFault), doors: onEachImport(findDoorFault), clock, opening, patterns },
};
