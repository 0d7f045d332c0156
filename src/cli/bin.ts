#!/usr/bin/env node
// What an installed `countersign` starts: on a Node that is too old to read the rest it says so, and nothing else is read.

const WANTED = 24;

if (Number.parseInt(process.versions.node, 10) < WANTED) {
  process.stderr.write(
    `countersign: this is Node ${process.versions.node}, and it takes ${WANTED} or later.\n  Install Node ${WANTED}, or put it first in PATH.\n`,
  );
  process.exit(1);
}
const { main } = await import('./main.ts');
await main();
