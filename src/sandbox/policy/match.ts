// Patterns of IAM policies: `*` and `?`, policy variables, and ARNs compared part by part.

/** What is known of a request, by lower-case condition key. */
export type Context = ReadonlyMap<string, readonly string[]>;

export function createContext(entries: Record<string, string | readonly string[] | undefined>): Context {
  const context = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries(entries)) {
    if (value === undefined) continue;
    context.set(key.toLowerCase(), typeof value === 'string' ? [value] : value);
  }
  return context;
}

type Token = { literal: string } | 'any' | 'one';

const VARIABLE = /\$\{([^}]*)\}/y;

/** What a variable stands for; undefined when the request has no such key and the policy no default. */
function substitute(expression: string, context: Context): string | undefined {
  if (expression === '*' || expression === '?' || expression === '$') return expression;
  const [, key = expression, fallback] = /^\s*([^,\s]+)\s*(?:,\s*'([^']*)'\s*)?$/.exec(expression) ?? [];
  const values = context.get(key.toLowerCase());
  return values?.length === 1 ? values[0] : fallback;
}

/**
 * The tokens of a pattern. What a variable brings in is literal: a tag's `*` opens nothing.
 * @param variables false for policies of version 2008-10-17, where `${` is text.
 * @returns undefined when a variable has no value: then nothing matches.
 */
function compile(pattern: string, context: Context, variables: boolean, wildcards: boolean): Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    VARIABLE.lastIndex = at;
    const variable = variables ? VARIABLE.exec(pattern) : null;
    if (variable) {
      const value = substitute(variable[1] as string, context);
      if (value === undefined) return undefined;
      for (const literal of value) tokens.push({ literal });
      at += variable[0].length - 1;
      continue;
    }
    const character = pattern.charAt(at);
    if (wildcards && character === '*') tokens.push('any');
    else if (wildcards && character === '?') tokens.push('one');
    else tokens.push({ literal: character });
  }
  return tokens;
}

/** Greedy with one way back: linear in practice, and never exponential, whatever a stranger's policy says. */
function glob(tokens: readonly Token[], text: readonly string[]): boolean {
  let [token, at, star, mark] = [0, 0, -1, 0];
  while (at < text.length) {
    const current = tokens[token];
    if (current === 'one' || (typeof current === 'object' && current.literal === text[at])) {
      token += 1;
      at += 1;
    } else if (current === 'any') {
      star = token;
      mark = at;
      token += 1;
    } else if (star >= 0) {
      token = star + 1;
      mark += 1;
      at = mark;
    } else {
      return false;
    }
  }
  return tokens.slice(token).every((rest) => rest === 'any');
}

export interface MatchOptions {
  context: Context;
  variables: boolean;
  wildcards: boolean;
  ignoreCase?: boolean;
}

export function matches(pattern: string, text: string, options: MatchOptions): boolean {
  const tokens = compile(pattern, options.context, options.variables, options.wildcards);
  if (!tokens) return false;
  if (!options.ignoreCase) return glob(tokens, [...text]);
  const lower = tokens.map((token) => (typeof token === 'object' ? { literal: token.literal.toLowerCase() } : token));
  return glob(lower, [...text.toLowerCase()]);
}

/** Six parts between colons, each matched by itself; the last may hold colons. */
export function arnMatches(pattern: string, arn: string, options: MatchOptions): boolean {
  const split = (text: string): string[] => {
    const parts = text.split(/:(?![^{]*\})/);
    return [...parts.slice(0, 5), parts.slice(5).join(':')];
  };
  const [wanted, given] = [split(pattern), split(arn)];
  if (pattern === '*') return true;
  if (!pattern.startsWith('arn:') || !arn.startsWith('arn:')) return false;
  return wanted.every((part, index) => matches(part, given[index] ?? '', options));
}
