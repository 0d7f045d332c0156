// Waiting for what comes about by itself.

/** How long a test waits for what has to come: a busy machine is no fault. Milliseconds. */
export const PATIENCE_MS = 60_000;

/** @param ms the longest wait, a minute unless given @returns whether it came about */
export async function until(condition: () => boolean | Promise<boolean>, ms = PATIENCE_MS): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}
