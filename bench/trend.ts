// Whether something grows: a straight line through samples, and how sure its slope is.

export interface Sample {
  hours: number;
  value: number;
}

export interface Trend {
  /** Of the line of least squares, a unit of the value an hour. */
  slope: number;
  /** Standard error of the slope. */
  error: number;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** @param samples three or more, at different times */
export function findTrend(samples: readonly Sample[]): Trend {
  const [x, y] = [mean(samples.map(({ hours }) => hours)), mean(samples.map(({ value }) => value))];
  const spread = samples.reduce((sum, { hours }) => sum + (hours - x) ** 2, 0);
  const slope = samples.reduce((sum, { hours, value }) => sum + (hours - x) * (value - y), 0) / spread;
  const off = samples.reduce((sum, { hours, value }) => sum + (value - y - slope * (hours - x)) ** 2, 0);
  return { slope, error: Math.sqrt(off / (samples.length - 2) / spread) };
}

/** By two standard errors, so about 19 times of 20. */
export function judgeTrend({ slope, error }: Trend, most: number): 'flat' | 'grows' | 'undecided' {
  if (slope + 2 * error <= most) return 'flat';
  return slope - 2 * error > most ? 'grows' : 'undecided';
}
