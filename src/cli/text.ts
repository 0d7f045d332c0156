// Text for people: aligned tables and fields, colours only on a terminal, and nothing that a terminal would obey.
import { styleText } from 'node:util';
import type { Outside, Sink } from './outside.ts';

export type Format = 'bold' | 'dim' | 'green' | 'yellow' | 'red';
export type Paint = (format: Format, text: string) => string;

/** Colours where `sink` is a terminal and nobody asked for none (no-color.org). */
export function paintFor(sink: Sink, env: Outside['env']): Paint {
  const plain = sink.isTTY !== true || Boolean(env.NO_COLOR) || env.TERM === 'dumb';
  return (format, text) => (plain ? text : styleText(format, text, { validateStream: false }));
}

// C0 and C1 controls move cursors and set titles; the others reorder what is read.
const OBEYED = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Names and details come from strangers: what a terminal would act on is shown as an escape. */
export function clean(text: string): string {
  return text.replace(OBEYED, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** JSON that is as safe to look at: JSON.stringify leaves DEL, C1 and the reordering characters as they are. */
export function json(value: unknown, indent = 2): string {
  return JSON.stringify(value, null, indent).replace(OBEYED, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Any JSON value on one line, as a person reads it; '-' where there is nothing. */
export function cell(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cell).join(' ');
  if (typeof value === 'object') {
    const members = Object.entries(value);
    return members.length === 0 ? '-' : members.map(([name, member]) => `${clean(name)}=${cell(member)}`).join(' ');
  }
  return clean(typeof value === 'string' ? value : JSON.stringify(value));
}

const STATES: Record<string, Format> = {
  ...{ active: 'green', standby: 'dim', verify_only: 'dim', removed: 'dim', disconnected: 'dim' },
  ...{ pending: 'yellow', verifying: 'yellow', paused: 'yellow' },
  ...{ degraded: 'red', unsafe: 'red', suspended: 'red', revoked: 'red' },
};

/** @param text clean already. */
function state(paint: Paint, text: string): string {
  const format = STATES[text];
  return format === undefined ? text : paint(format, text);
}

/** Columns as wide as their widest cell, two spaces apart; one line a row. A column named STATE is painted. */
export function table(paint: Paint, header: readonly string[], rows: readonly (readonly unknown[])[]): string {
  if (rows.length === 0) return 'none\n';
  const plain = rows.map((row) => row.map(cell));
  const widths = header.map((name, column) =>
    Math.max(...[name, ...plain.map((row) => row[column] ?? '')].map((text) => [...text].length)),
  );
  const line = (cells: readonly string[], paintCell: (text: string, column: number) => string): string =>
    cells
      .map(
        (text, column) =>
          paintCell(text, column) +
          (column < cells.length - 1 ? ' '.repeat((widths[column] ?? 0) - [...text].length) : ''),
      )
      .join('  ');
  const lines = [
    line(header, (text) => paint('dim', text)),
    ...plain.map((row) => line(row, (text, column) => (header[column] === 'STATE' ? state(paint, text) : text))),
  ];
  return `${lines.join('\n')}\n`;
}

/** `name  value` lines, aligned; members without a value are left out. */
export function fields(paint: Paint, members: readonly (readonly [string, unknown])[]): string {
  const shown = members.filter(([, value]) => value !== undefined && value !== null && value !== '');
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown
    .map(
      ([name, value]) =>
        `${paint('dim', name.padEnd(width))}  ${name === 'state' ? state(paint, cell(value)) : cell(value)}\n`,
    )
    .join('');
}

/** What the API answers beside what it did. */
export interface Warning {
  code: string;
  detail: string;
}

/** A line each, under what they are about. */
export function warned(paint: Paint, warnings: readonly Warning[]): string {
  return warnings.map(({ detail }) => `${paint('yellow', 'warning')}: ${clean(detail)}\n`).join('');
}
