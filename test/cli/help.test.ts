// Every command, found by walking the program: examples, --json, and --reason where it changes something.
import t from 'tap';
import { createProgram } from '../../src/cli/main.ts';
import { cli } from './stand-in.ts';
import type { Command } from 'commander';

const outside = {
  env: {},
  stdout: { write: () => {} },
  stderr: { write: () => {} },
  now: Date.now,
  sleep: async () => {},
  stopped: async () => {},
};

function leaves(command: Command, path: string[] = []): { command: Command; path: string[] }[] {
  return command.commands.flatMap((child) => {
    const here = [...path, child.name()];
    return child.commands.length > 0 ? leaves(child, here) : [{ command: child, path: here }];
  });
}

const all = leaves(createProgram(outside));

const CHANGES =
  /^(workload|administrator) (create|suspend|resume|set-.*|key (add|remove|generate))$|^connection (create|update|verify|pause|resume|disconnect)$|^grant (create|update|delete)$|^key (rotate|revoke)$/;

t.ok(all.length > 40, 'the walk found the commands');

for (const { command, path } of all) {
  const name = path.join(' ');
  t.test(name, async (t) => {
    const flags = command.options.map((option) => option.long);
    t.ok(flags.includes('--json'));
    if (CHANGES.test(name)) t.ok(flags.includes('--reason'), 'a change takes --reason');
    const { code, stdout } = await cli([...path, '--help']);
    t.equal(code, 0);
    t.match(stdout, /\nExamples:\n {2}\$ .*countersign/);
    t.match(stdout, 'Exit codes: 0 done');
    for (const example of stdout.matchAll(/^ {2}\$ (.*)$/gm)) t.match(example[1], `countersign ${path[0]}`);
  });
}
