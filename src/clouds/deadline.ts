// A deadline around one call of an SDK: it holds between the SDK's attempts too, where it sleeps.

/**
 * @param ms milliseconds
 * @throws what `send` throws before, or an error of the name `TimeoutError`, and not what comes of the abort that follows it
 */
export async function withDeadline<T>(ms: number, send: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
  const deadline = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(Object.assign(new Error(), { name: 'TimeoutError' }));
      deadline.abort();
    }, ms);
  });
  try {
    return await Promise.race([send(deadline.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}
