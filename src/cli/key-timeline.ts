// One ring's line of time in a terminal: what each key was, is and will be, where now is, and the next steps in words.
import type { Proof } from './key-proof.ts';
import { clean, type Format, type Paint } from './text.ts';

export interface Key {
  kid: string;
  state: string;
  published_at: string;
  seasoned_at: string;
  /** A published copy that lacks it: until it is there, nobody knows from when the key may sign. */
  not_published_to?: string;
  signs_from?: string;
  removed_at?: string;
  revoked_at?: string;
  proof?: Proof;
}

export interface Ring {
  id: string;
  issuer: string;
  algorithm: string;
  held_until?: string;
  hold?: { since: string; until: string; reason: string; actor: string };
  next_rotation_at?: string;
  /** Its issuer is over: nothing signs there, and nobody rotates it. */
  retired?: boolean;
  keys: Key[];
}

export interface Step {
  step: 'may_sign' | 'rotation' | 'leaves_jwks' | 'hold_ends';
  at: string;
  kid?: string;
}

/** Where and how it is drawn. */
export interface Canvas {
  paint: Paint;
  /** Milliseconds since the epoch. */
  now: number;
  /** Columns of the terminal. */
  width: number;
}

const CELLS = { young: '·', ready: '░', signs: '█', verifies: '▒', now: '┃' } as const;
const LEGEND = `${CELLS.young} published, not known to every verifier yet  ${CELLS.ready} may sign  ${CELLS.signs} signs  ${CELLS.verifies} verify-only  ${CELLS.now} now`;
const FORMATS: Record<string, Format> = { [CELLS.young]: 'yellow', [CELLS.signs]: 'green', [CELLS.verifies]: 'dim' };
/** Room for a shortened kid before the line, and for a state behind it. */
const [KID_WIDTH, STATE_WIDTH] = [9, 13];
const NARROWEST = 12;

const short = (kid: string): string => clean(kid.slice(0, 8));
const minute = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
const of = (ring: Ring, state: string): Key | undefined => ring.keys.find((key) => key.state === state);
const endOf = (key: Key): string | undefined => key.revoked_at ?? key.removed_at;

/** What happens to a ring by itself from now on, soonest first; a rotation that is due stands at its time, in the past. */
export function nextSteps(ring: Ring, now: number): Step[] {
  const standby = of(ring, 'standby');
  const steps: Step[] = [];
  if (standby && standby.not_published_to === undefined && Date.parse(standby.seasoned_at) > now)
    steps.push({ step: 'may_sign', at: standby.seasoned_at, kid: standby.kid });
  if (standby && ring.next_rotation_at !== undefined)
    steps.push({ step: 'rotation', at: ring.next_rotation_at, kid: standby.kid });
  if (ring.held_until !== undefined) steps.push({ step: 'hold_ends', at: ring.held_until });
  for (const key of ring.keys)
    if (key.state === 'verify_only' && key.removed_at !== undefined)
      steps.push({ step: 'leaves_jwks', at: key.removed_at, kid: key.kid });
  return steps.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

function words({ step, at, kid = '' }: Step, now: number): string {
  if (step === 'may_sign') return `the standby ${short(kid)} may sign from ${at}`;
  if (step === 'leaves_jwks') return `key ${short(kid)} leaves the JWKS at ${at}`;
  if (step === 'hold_ends') return `rotations are on hold until ${at}`;
  return Date.parse(at) > now
    ? `the next rotation is planned for ${at}: ${short(kid)} then signs`
    : `a rotation is due since ${at}: ${short(kid)} then signs`;
}

/** The next steps as one sentence. */
export function sentence(ring: Ring, now: number): string {
  const steps = nextSteps(ring, now).map((step) => words(step, now));
  const standby = of(ring, 'standby');
  if (standby?.not_published_to !== undefined)
    steps.unshift(
      `the standby ${short(standby.kid)} is not yet published to ${clean(standby.not_published_to)}, and may not sign before`,
    );
  const told = steps.length === 0 ? 'nothing is planned for this ring' : steps.join('; ');
  return `${told[0]?.toUpperCase()}${told.slice(1)}.`;
}

interface Span {
  from: number;
  to: number;
  cell: string;
}

/** A key's life in spans; what is ahead is as planned. */
function spansOf(key: Key, ring: Ring, until: number): Span[] {
  const [published, seasoned] = [Date.parse(key.published_at), Date.parse(key.seasoned_at)];
  const end = Math.min(Date.parse(endOf(key) ?? '') || until, until);
  const planned = Date.parse(ring.next_rotation_at ?? '') || until;
  const signs = key.signs_from === undefined ? (key.state === 'standby' ? planned : end) : Date.parse(key.signs_from);
  const successor = ring.keys
    .map((other) => Date.parse(other.signs_from ?? ''))
    .filter((from) => from > signs)
    .reduce((a, b) => Math.min(a, b), key.state === 'active' ? planned : end);
  return [
    { from: published, to: Math.min(seasoned, signs, end), cell: CELLS.young },
    { from: Math.min(seasoned, signs), to: Math.min(signs, end), cell: CELLS.ready },
    { from: signs, to: Math.min(successor, end), cell: CELLS.signs },
    { from: successor, to: end, cell: key.state === 'active' ? '' : CELLS.verifies },
  ].filter(({ from, to, cell }) => to > from && cell !== '');
}

interface Window {
  from: number;
  to: number;
  width: number;
}

const column = (at: number, { from, to, width }: Window): number =>
  Math.min(width - 1, Math.max(0, Math.floor(((at - from) / (to - from)) * width)));

/** A span that is shorter than a cell has one all the same, and one beside `now` where it is not over. */
function draw(spans: readonly Span[], window: Window, now: number): string[] {
  const cells = Array.from({ length: window.width }, () => ' ');
  for (const { from, to, cell } of spans) {
    if (to <= window.from) continue;
    const first = column(from, window);
    const shortest = to > now && first === column(now, window) ? 2 : 1;
    cells.fill(cell, first, Math.max(first + shortest, column(to, window) + (to >= window.to ? 1 : 0)));
  }
  cells[column(now, window)] = CELLS.now;
  return cells;
}

const painted = (paint: Paint, cells: readonly string[]): string =>
  cells
    .join('')
    .replace(/·+|█+|▒+|┃/g, (run) =>
      run === CELLS.now ? paint('bold', run) : paint(FORMATS[run[0] as string] as Format, run),
    )
    .trimEnd();

/** Oldest signer first; who has not signed comes after those who have. */
const orderOf = (key: Key): number => Date.parse(key.signs_from ?? '') || Date.parse(key.published_at) + 1e13;

/** Keys that are published, and those that left since the active one began to sign. */
function shownKeys(ring: Ring): Key[] {
  const since = Date.parse(of(ring, 'active')?.signs_from ?? '') || 0;
  return ring.keys
    .filter((key) => !['removed', 'revoked'].includes(key.state) || Date.parse(endOf(key) ?? '') >= since)
    .sort((a, b) => orderOf(a) - orderOf(b));
}

/** From the earliest key, but no further back than half of what is ahead of the active key; to just behind the last step. */
function windowOf(ring: Ring, keys: readonly Key[], { now, width }: Canvas): Window {
  const signs = Date.parse(of(ring, 'active')?.signs_from ?? '') || now;
  const last = Math.max(now, ...nextSteps(ring, now).map(({ at }) => Date.parse(at)));
  const ahead = Math.max(1000, last - Math.min(signs, now));
  const earliest = Math.min(now, ...keys.map((key) => Date.parse(key.published_at)));
  return {
    from: Math.max(earliest, Math.min(signs, now) - ahead / 2),
    to: last + ahead / 12,
    width: Math.max(NARROWEST, width - KID_WIDTH - STATE_WIDTH),
  };
}

/** The line of time of a ring, a row for each key, and its next steps in a sentence. */
export function drawTimeline(ring: Ring, canvas: Canvas): string {
  const { paint, now } = canvas;
  const keys = shownKeys(ring);
  const window = windowOf(ring, keys, canvas);
  const [start, end] = [minute(window.from), minute(window.to)];
  const gap = Math.max(1, window.width - start.length - end.length);
  const rows = keys.map((key) => {
    const cells = draw(spansOf(key, ring, window.to), window, now);
    return `${short(key.kid).padEnd(KID_WIDTH)}${painted(paint, cells)}${' '.repeat(cells.length - cells.join('').trimEnd().length)} ${key.state}\n`;
  });
  const axis = paint('dim', `${' '.repeat(KID_WIDTH)}${start}${' '.repeat(gap)}${end}`);
  return `${axis}\n${rows.join('')}${paint('dim', LEGEND)}\n${sentence(ring, now)}\n`;
}

/** The whole ring in one short line: since when its key signs, now, when the standby may sign, the planned rotation. */
export function drawBrief(ring: Ring, now: number, width = 24): string {
  const active = of(ring, 'active');
  const standby = of(ring, 'standby');
  const next = Date.parse(ring.next_rotation_at ?? '');
  if (active?.signs_from === undefined || standby === undefined || Number.isNaN(next)) return '';
  const from = Date.parse(active.signs_from);
  const window = { from, to: Math.max(next, now, from + 1000), width };
  const seasoned = Date.parse(standby.seasoned_at);
  const spans = [
    { from, to: window.to, cell: CELLS.ready },
    { from, to: seasoned, cell: CELLS.young },
    { from, to: Math.min(now, window.to), cell: CELLS.signs },
  ];
  return draw(
    spans.filter(({ from: a, to: b }) => b > a),
    window,
    now,
  ).join('');
}
