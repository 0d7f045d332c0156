// The parameters of a query-protocol call: a flat form in which lists are numbered `Name.member.1`.
import { AwsError, validationError } from './error.ts';

export type Form = ReadonlyMap<string, string>;

/** @throws AwsError MalformedQueryString when a parameter is given twice. */
export function parseForm(text: string): Form {
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (form.has(name)) throw new AwsError('MalformedQueryString', `The parameter ${name} is given more than once`);
    form.set(name, value);
  }
  return form;
}

/** How AWS names a member in a validation error: with a small first letter. */
function member(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

export function constraintError(name: string, value: string | null, constraint: string): AwsError {
  const shown = value === null ? 'null' : `'${value.length > 100 ? `${value.slice(0, 100)}...` : value}'`;
  return validationError(
    `1 validation error detected: Value ${shown} at '${member(name)}' failed to satisfy constraint: ${constraint}`,
  );
}

export function optionalText(form: Form, name: string): string | undefined {
  return form.get(name);
}

export function requiredText(form: Form, name: string): string {
  const value = form.get(name);
  if (value === undefined) throw constraintError(name, null, 'Member must not be null');
  return value;
}

/** Lengths count UTF-16 units, as AWS's do. */
export function checkLength(name: string, value: string, min: number, max: number): void {
  if (value.length < min) {
    throw constraintError(name, value, `Member must have length greater than or equal to ${min}`);
  }
  if (value.length > max) {
    throw constraintError(name, value, `Member must have length less than or equal to ${max}`);
  }
}

export function checkPattern(name: string, value: string, pattern: RegExp, shown: string): void {
  if (!pattern.test(value)) {
    throw constraintError(name, value, `Member must satisfy regular expression pattern: ${shown}`);
  }
}

/** A whole number between the two bounds, both included. */
export function optionalInteger(form: Form, name: string, min: number, max: number): number | undefined {
  const text = form.get(name);
  if (text === undefined) return undefined;
  if (!/^-?\d{1,15}$/.test(text)) {
    throw new AwsError('MalformedInput', `The value of ${name} is not an integer`);
  }
  const value = Number(text);
  if (value < min) throw constraintError(name, text, `Member must have value greater than or equal to ${min}`);
  if (value > max) throw constraintError(name, text, `Member must have value less than or equal to ${max}`);
  return value;
}

export function flag(form: Form, name: string): boolean {
  return form.get(name)?.toLowerCase() === 'true';
}

/** The members of a list, each a form of its own; a plain value stands under the empty name. Empty when not given. */
export function listOf(form: Form, name: string): Form[] {
  const members = new Map<number, Map<string, string>>();
  const prefix = `${name}.member.`;
  for (const [key, value] of form) {
    if (!key.startsWith(prefix)) continue;
    const [, index, rest] = /^(\d{1,4})(?:\.(.+))?$/.exec(key.slice(prefix.length)) ?? [];
    if (index === undefined) continue;
    const found = members.get(Number(index)) ?? new Map<string, string>();
    members.set(Number(index), found.set(rest ?? '', value));
  }
  return [...members].sort(([a], [b]) => a - b).map(([, one]) => one);
}

export function texts(form: Form, name: string): string[] {
  return listOf(form, name).map((one) => one.get('') ?? '');
}

/** `Tags.member.N.Key` / `.Value`, as all three services take them. */
export function tagsOf(form: Form): { key: string; value: string }[] {
  return listOf(form, 'Tags').map((tag) => ({ key: tag.get('Key') ?? '', value: tag.get('Value') ?? '' }));
}
