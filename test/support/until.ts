// Waiting for what comes about by itself.

/** @param ms the longest wait, a minute unless given @returns whether it came about */
export async function until(condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; ) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}
