// What a person sees: headings, one line a step with a tick and a time, notes below it. A terminal also sees it turn.
import { clean, type Format, type Paint, paintFor } from '../cli/text.ts';

export interface Output {
  write(text: string): unknown;
  isTTY?: boolean | undefined;
  columns?: number | undefined;
}

export interface Line {
  done(ms: number): void;
  failed(ms: number): void;
}

export interface Screen {
  paint: Paint;
  title(text: string, below: string): void;
  scene(text: string): void;
  /** The sentence of a step that begins. */
  begin(sentence: string): Line;
  /** Below a step: wrapped, indented, dim unless said otherwise. */
  note(text: string, format?: Format | 'plain'): void;
  /** As it is. */
  block(text: string): void;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 80;
const WIDEST = 104;

/** `35 ms`, `1.4 s`. */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Breaks at spaces; a word that is longer than the width stays whole, so that it can be copied. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

export function createScreen(output: Output, env: NodeJS.ProcessEnv): Screen {
  const paint = paintFor(output, env);
  const lively = output.isTTY === true && env['TERM'] !== 'dumb';
  const width = (): number => Math.min(output.columns ?? WIDEST, WIDEST);
  const print = (text: string): void => void output.write(`${text}\n`);

  /** A dotted line to the time: on a terminal faint, elsewhere the line of a log. */
  function rest(sentence: string, ms: number): string {
    const time = duration(ms);
    const dots = Math.max(3, width() - 6 - sentence.length - time.length);
    return `${paint('dim', '.'.repeat(dots))} ${paint('dim', time)}`;
  }

  function beginLively(sentence: string): Line {
    const began = performance.now();
    let frame = 0;
    const draw = (): void => {
      const seconds = Math.floor((performance.now() - began) / 1000);
      const shown = `${sentence}${seconds > 0 ? `  ${seconds} s` : ''}`.slice(
        0,
        Math.max(10, (output.columns ?? 80) - 5),
      );
      output.write(`\r\u001b[K  ${paint('yellow', FRAMES[frame++ % FRAMES.length] ?? '')} ${shown}`);
    };
    draw();
    const timer = setInterval(draw, FRAME_MS);
    const end = (sign: string, ms: number): void => {
      clearInterval(timer);
      output.write('\r\u001b[K');
      print(`  ${sign} ${sentence} ${rest(sentence, ms)}`);
    };
    return { done: (ms) => end(paint('green', '✓'), ms), failed: (ms) => end(paint('red', '✗'), ms) };
  }

  function beginPlain(sentence: string): Line {
    output.write(`  - ${sentence} `);
    const end = (sign: string, ms: number): void => print(`${sign} ${duration(ms)}`);
    return { done: (ms) => end('✓', ms), failed: (ms) => end('✗ failed after', ms) };
  }

  return {
    paint,
    title: (text, below) => print(['', paint('bold', text), ...wrap(below, width())].join('\n')),
    scene: (text) => print(`\n${paint('bold', text)}`),
    begin: lively ? beginLively : beginPlain,
    note: (text, format = 'dim') => {
      for (const line of text.split('\n').flatMap((part) => wrap(clean(part), width() - 6))) {
        print(`      ${format === 'plain' ? line : paint(format, line)}`);
      }
    },
    block: (text) => print(text),
  };
}
