// The completion scripts of three shells: one walk along the words typed, then the words that may follow.
import type { OptionWord, Place } from './completion.ts';

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const words = (texts: readonly string[]): string => quote(texts.join(' '));

/** Paths that are more than the command alone, as patterns of a `case`. */
const steps = (places: readonly Place[]): string =>
  places
    .filter(({ path }) => path !== '')
    .map(({ path }) => quote(path))
    .join(' | ');

interface Valued {
  at: string;
  values: readonly string[];
}

/** The options that take a value, each by its place; without values of its own, a file's name may follow. */
const listValued = (places: readonly Place[]): Valued[] =>
  places.flatMap(({ path, options }) =>
    options.flatMap(({ text, takes }) =>
      takes === 'nothing' ? [] : [{ at: `${path} ${text}`, values: takes === 'anything' ? [] : takes }],
    ),
  );

export function writeBash(places: readonly Place[]): string {
  const valued = listValued(places).map(({ at, values }) => `    ${quote(at)}) known=${words(values)} ;;`);
  const next = places.map(
    ({ path, words: subcommands, options }) =>
      `      ${quote(path)}) known=${words([...subcommands, ...options].map(({ text }) => text))} ;;`,
  );
  return `# bash completion for countersign
_countersign() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD - 1]}" at='' word known=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
      ${steps(places)}) at="$at $word" ;;
    esac
  done
  case "$at $before" in
${valued.join('\n')}
    *) case "$at" in
${next.join('\n')}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$known" -- "$current"))
}
complete -o default -F _countersign countersign
`;
}

export function writeZsh(places: readonly Place[]): string {
  const entry = ({ text, about }: { text: string; about: string }): string => quote(about ? `${text}:${about}` : text);
  const valued = listValued(places).map(
    ({ at, values }) =>
      `    (${quote(at)}) ${values.length > 0 ? `compadd -- ${values.map(quote).join(' ')}` : '_files'}; return ;;`,
  );
  const next = places.map(
    ({ path, words: subcommands, options }) =>
      `    (${quote(path)}) known=(${subcommands.map(entry).join(' ')}); options=(${options.map(entry).join(' ')}) ;;`,
  );
  return `#compdef countersign
_countersign() {
  local at='' word
  local -a known options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
      (${steps(places)}) at="$at $word" ;;
    esac
  done
  case "$at \${words[CURRENT-1]}" in
${valued.join('\n')}
  esac
  case "$at" in
${next.join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe -o option options
  elif ((\${#known})); then
    _describe command known
  else
    _files
  fi
}
if [[ $funcstack[1] == _countersign ]]; then _countersign "$@"; else compdef _countersign countersign; fi
`;
}

/** A single quote and a backslash are all that fish reads within single quotes. */
const quoteFish = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function fishOption(path: string, { text, about, takes }: OptionWord): string {
  const value = takes === 'nothing' ? '' : takes === 'anything' ? ' -r' : ` -x -a ${quoteFish(takes.join(' '))}`;
  return `complete -c countersign -n ${quoteFish(`__countersign_at ${quoteFish(path)}`)} -l ${text.slice(2)}${value} -d ${quoteFish(about)}`;
}

export function writeFish(places: readonly Place[]): string {
  const paths = places.filter(({ path }) => path !== '').map(({ path }) => quoteFish(path));
  const lines = places.flatMap(({ path, words: subcommands, options }) => [
    ...subcommands.map(
      ({ text, about }) =>
        `complete -c countersign -n ${quoteFish(`__countersign_at ${quoteFish(path)}`)} -f -a ${text} -d ${quoteFish(about)}`,
    ),
    ...options.map((option) => fishOption(path, option)),
  ]);
  return `# fish completion for countersign
function __countersign_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    if contains -- "$at $word" ${paths.join(' ')}
      set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
${lines.join('\n')}
`;
}
