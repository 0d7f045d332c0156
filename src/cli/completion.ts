// `countersign completion`: scripts for bash, zsh and fish, written from the command tree. They only compare what was
// typed with fixed words: nothing is evaluated, run or asked at a TAB.
import { Argument, type Command, type Option } from 'commander';
import { addVerb } from './command.ts';
import type { Outside } from './outside.ts';
import { writeBash, writeFish, writeZsh } from './completion-scripts.ts';

export interface Word {
  text: string;
  about: string;
}

/** A value of an option: of these, or any (a file's name among them). */
export interface OptionWord extends Word {
  takes: 'nothing' | 'anything' | readonly string[];
}

/** One command: the words that lead to it, and what may come next. */
export interface Place {
  path: string;
  words: readonly Word[];
  options: readonly OptionWord[];
}

const firstLine = (text: string): string => text.split('\n')[0] ?? '';

function takes({ required, optional, argChoices }: Option): OptionWord['takes'] {
  if (argChoices) return argChoices;
  return required || optional ? 'anything' : 'nothing';
}

/** Every command of the tree, parents first; hidden ones left out. */
export function listPlaces(command: Command, path = ''): Place[] {
  const help = command.createHelp();
  const children = help.visibleCommands(command).filter((child) => child.name() !== 'help');
  const choices = command.registeredArguments[0]?.argChoices ?? [];
  const place: Place = {
    path,
    words: [
      ...children.map((child) => ({ text: child.name(), about: firstLine(child.summary() || child.description()) })),
      ...choices.map((text) => ({ text, about: '' })),
    ],
    options: help
      .visibleOptions(command)
      .flatMap((option) =>
        option.long ? [{ text: option.long, about: firstLine(option.description), takes: takes(option) }] : [],
      ),
  };
  return [place, ...children.flatMap((child) => listPlaces(child, `${path} ${child.name()}`))];
}

const SHELLS = { bash: writeBash, zsh: writeZsh, fish: writeFish };
type Shell = keyof typeof SHELLS;

export function addCompletionCommand(program: Command, outside: Outside): void {
  addVerb(program, outside, {
    usage: 'completion',
    summary: 'Print the script that lets a shell complete this command.',
    about: 'It holds every command and option of this version: print it again after an upgrade.',
    local: true,
    examples: [
      'source <(countersign completion bash)   # in ~/.bashrc',
      'source <(countersign completion zsh)   # in ~/.zshrc, after compinit',
      'countersign completion fish > ~/.config/fish/completions/countersign.fish',
    ],
    options: (command) => command.addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(SHELLS))),
    run: async ({ args, show }) => {
      const shell = args[0] as Shell;
      const script = SHELLS[shell](listPlaces(program));
      show({ shell, script }, () => script);
    },
  });
}
