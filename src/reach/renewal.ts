// When a certificate should have been renewed: one rule for the log, the metrics and their alerts, the doctor and the self-check.

/** From when until when a certificate is good; milliseconds since the epoch. */
export interface Term {
  from: number;
  until: number;
}

const NEAR_MS = 14 * 24 * 3_600_000;
/** Of one that lives for days, its last fifth is near. */
const SHARE = 5;

/** From then on somebody should look why its renewal did not run; milliseconds since the epoch. */
export function renewBy({ from, until }: Term): number {
  return until - Math.min(NEAR_MS, (until - from) / SHARE);
}
