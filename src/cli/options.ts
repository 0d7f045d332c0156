// How the text of options and arguments becomes values; what is wrong with one is said before anything is sent.
import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import { Failure } from './failure.ts';

export function integer(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${minimum} to ${maximum}.`);
  };
}

/** For options that may be given more than once. */
export function collect(text: string, before: string[] | false | undefined): string[] {
  return [...(before || []), text];
}

/** The same, for options with a list of values that they may have. */
export function collectFrom(choices: readonly string[]): (text: string, before: string[] | undefined) => string[] {
  return (text, before) => {
    if (!choices.includes(text)) throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
    return collect(text, before);
  };
}

/** `--label team=core --label stage=prod`; a later value of one name wins. */
export function keyValue(text: string, before: Record<string, string> | undefined): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be name=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time as RFC 3339, or how long ago: 30s, 15m, 2h, 7d. @returns RFC 3339 in UTC. */
export function when(now: () => number): (text: string) => string {
  return (text) => {
    const ago = /^(\d{1,6})([smhd])$/.exec(text);
    if (ago) return new Date(now() - Number(ago[1]) * (UNITS[ago[2] as string] as number)).toISOString();
    const time = readTime(text);
    if (time !== undefined) return time;
    throw new InvalidArgumentError(
      'It must be a time such as 2026-11-21T09:30:00Z, or how long ago: 30s, 15m, 2h, 7d.',
    );
  };
}

function readTime(text: string): string | undefined {
  const time = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

/** A time as RFC 3339. @returns RFC 3339 in UTC. */
export function time(text: string): string {
  const read = readTime(text);
  if (read !== undefined) return read;
  throw new InvalidArgumentError('It must be a time such as 2026-11-21T09:30:00Z.');
}

/** How long: 30s, 15m, 2h, 7d. @returns seconds. */
export function duration(text: string): number {
  const parts = /^(\d{1,6})([smhd])$/.exec(text);
  if (parts) return (Number(parts[1]) * (UNITS[parts[2] as string] as number)) / 1000;
  throw new InvalidArgumentError('It must be a number and a unit: 30s, 15m, 2h, 7d.');
}

/** @throws Failure that names the file and what the system said. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure(
      'file_unreadable',
      `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown fault'}.`,
      {
        hint: 'Check the path and who may read it.',
      },
    );
  }
}

/** @throws Failure; never shows what is in the file. */
export function readJson(file: string): unknown {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure('file_not_json', `${file} does not hold JSON.`);
  }
}

/** The members that were given: `undefined` is left out, so that a PATCH changes only what was named. */
export function given<T extends Record<string, unknown>>(members: T): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
