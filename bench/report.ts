// What the bench says: one result a comparison, as a table for people or as one JSON object.
export interface Result {
  name: string;
  /** The median of `runs`, or the worst where a bound is on each. */
  ratio: number;
  /** One ratio a round. */
  runs: number[];
  /** What was measured against what. */
  baseline: string;
  target: { atLeast: number } | { atMost: number };
  /** Absolute figures behind the ratio, for reading; they say as much about the machine. */
  figures: Record<string, string>;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The value that a share of all, 0 to 1, is below. */
export function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] as number;
}

function round(value: number): number {
  return Number(value.toFixed(3));
}

export function isMet({ ratio, target }: Pick<Result, 'ratio' | 'target'>): boolean {
  return 'atLeast' in target ? ratio >= target.atLeast : ratio <= target.atMost;
}

export function toJson(results: readonly Result[]): string {
  const members = results.map(({ name, ratio, runs, ...rest }) => [
    name,
    { ratio: round(ratio), runs: runs.map(round), ...rest },
  ]);
  return JSON.stringify(Object.fromEntries(members));
}

function columns(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function toTable(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { name, ratio, runs, target } = result;
    const bound = 'atLeast' in target ? `>= ${target.atLeast}` : `<= ${target.atMost}`;
    return [name, ratio.toFixed(2), bound, isMet(result) ? 'yes' : 'NO', runs.map((run) => run.toFixed(2)).join(' ')];
  });
  const details = results.map(({ name, baseline, figures }) =>
    [`${name}: ${baseline}`, ...Object.entries(figures).map(([figure, value]) => `  ${figure}: ${value}`)].join('\n'),
  );
  return `${columns([['name', 'ratio', 'target', 'met', 'runs'], ...rows])}\n\n${details.join('\n\n')}`;
}
