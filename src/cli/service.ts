// `countersign serve` and `countersign migrate`: the process itself, configured by the environment alone.
import type { Command } from 'commander';
import { addVerb } from './command.ts';
import type { Outside } from './outside.ts';

export function addServiceCommands(program: Command, outside: Outside): void {
  addVerb(program, outside, {
    usage: 'serve',
    summary: 'Run the service.',
    about: 'Everything is configured by the environment; what is wrong with it is said at once, by variable.',
    local: true,
    examples: [
      'ISSUER_URL=http://localhost:8080 countersign serve',
      'ISSUER_URL=https://id.example.com INTERNAL_URL=https://id.internal.example.com INTERNAL_PORT=8443 DATABASE_URL=postgres://… countersign serve',
    ],
    run: async () => {
      // Imported here: the other commands start without the service's libraries.
      const { serve } = await import('../main.ts');
      await serve(outside.env);
    },
  });
  addVerb(program, outside, {
    usage: 'migrate',
    summary: 'Bring the database to the newest version, and end.',
    about: 'The service does the same when it starts; several at once are safe.',
    local: true,
    examples: ['DATABASE_URL=postgres://… countersign migrate', 'countersign migrate --json'],
    run: async ({ show }) => {
      const { migrateOnly } = await import('../main.ts');
      const applied = await migrateOnly(outside.env);
      show({ applied }, () =>
        applied.length === 0
          ? 'Nothing to do: the database is at the newest version.\n'
          : applied.map((name) => `applied ${name}\n`).join(''),
      );
    },
  });
}
