// How a command is put together: its noun, its options and examples, the options that all have, and what it runs.
import type { Command } from 'commander';
import { type Call, type CommonOptions, createCall } from './call.ts';
import type { Outside } from './outside.ts';

export interface Verb<O> {
  /** As commander takes it: `create <slug>`. */
  usage: string;
  summary: string;
  /** More than a line, where a line does not do. */
  about?: string;
  examples: readonly string[];
  /** Changes something: takes --reason. */
  changes?: boolean;
  /** What its noun does where no verb is named. */
  isDefault?: true;
  /** Asks nothing of the API: no --url, no --as. */
  local?: boolean;
  options?(command: Command): Command;
  run(call: Call<O>): Promise<void>;
}

/** Adds a noun, such as `workload`, that holds verbs. */
export function addNoun(parent: Command, name: string, summary: string): Command {
  return parent.command(name).description(summary);
}

export function addVerb<O = object>(parent: Command, outside: Outside, verb: Verb<O>): void {
  const command = parent.command(verb.usage, { isDefault: verb.isDefault === true }).summary(verb.summary);
  command.description(verb.about === undefined ? verb.summary : `${verb.summary}\n\n${verb.about}`);
  command.addHelpText('after', `\nExamples:\n${verb.examples.map((example) => `  $ ${example}`).join('\n')}`);
  verb.options?.(command);
  command.optionsGroup('Common options:');
  command.option('--json', 'JSON on stdout, and errors as JSON on stderr');
  if (verb.changes) command.option('--reason <text>', 'why, for the audit log; administrators must say');
  if (!verb.local) {
    command.option('--url <url>', 'internal URL of the service (default: $COUNTERSIGN_URL)');
    command.option(
      '--as <who>',
      'which administrator or workload to be, by id or name, when signed in (default: $COUNTERSIGN_AS); who is at the shell, when the socket is used (default: $SUDO_USER, $USER)',
    );
  }
  command.option('--verbose', 'requests and stacks on stderr');
  command.action(async () => {
    const options = command.opts<O & CommonOptions>();
    await verb.run(createCall(command.args, options, outside, verb.changes === true));
  });
}
