// A process that stands still, as on a machine that gives it no time.

/** Nothing runs in this process for so long, its timers and its reads among it. @param ms milliseconds */
export function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
