// `countersign config check`: the environment as `serve` reads it, before anything is started.
import type { Command } from 'commander';
import { addNoun, addVerb } from './command.ts';
import { describeEnvironment, type Effective, type Schema } from './effective.ts';
import { Failure } from './failure.ts';
import type { Outside } from './outside.ts';
import { type Paint, table } from './text.ts';

export interface Checked {
  variables: Effective[];
  problems: string[];
}

/** Reads the environment as `serve` does. Imported late: configuration brings the schema library. */
export async function checkEnvironment(env: Outside['env']): Promise<Checked> {
  const { ConfigError, Environment, readConfig, SECRETS } = await import('../config.ts');
  const { VARIABLES } = await import('../variables.ts');
  const schema: Schema = {
    names: Object.keys(Environment.properties) as Schema['names'],
    variables: VARIABLES,
    secrets: SECRETS,
  };
  try {
    return { variables: describeEnvironment(schema, env, readConfig(env)), problems: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { variables: describeEnvironment(schema, env, undefined), problems: error.problems };
  }
}

function variableTables(paint: Paint, variables: readonly Effective[]): string {
  const rows = [...Map.groupBy(variables, ({ group }) => group)].flatMap(([group, members]) => [
    [`${group}:`, '', ''],
    ...members.map(({ name, source, value, file }) => [`  ${name}`, source, file ?? value]),
  ]);
  // A heading has no cells beside it.
  return table(paint, ['VARIABLE', 'FROM', 'VALUE'], rows).replaceAll(/^(\S.*:) +- +-$/gm, '$1');
}

export function addConfigCommands(program: Command, outside: Outside): void {
  const config = addNoun(program, 'config', 'the configuration in the environment');
  addVerb(config, outside, {
    usage: 'check',
    summary: 'Show the effective configuration, and every problem of it at once.',
    about:
      'Reads the environment as `serve` does and starts nothing. Secrets are not shown: a password in a URL is ***, and\nof a variable that comes from a file its path alone. Ends with 1 where the service would not start with it.',
    local: true,
    examples: ['countersign config check', 'env $(cat countersign.env) countersign config check --json'],
    run: async ({ show, note }) => {
      const checked = await checkEnvironment(outside.env);
      const ok = checked.problems.length === 0;
      show({ ok, ...checked }, (paint) => variableTables(paint, checked.variables));
      if (ok) return note('The service would start with this configuration, as far as the environment says.');
      throw new Failure('configuration', 'The configuration in the environment is not right.', {
        problems: checked.problems,
        hint: 'Each variable is described in docs/configuration.md.',
      });
    },
  });
}
