// How much of an answer this command reads, whoever sends it: the service, its socket, AWS, or the company's issuer.
import { Failure } from './failure.ts';

/** Bytes, unpacked: a hundred times what a page of 200 rows or the largest template takes. */
export const LARGEST_ANSWER = 16 * 1024 * 1024;

/** @param where who sends it, for people. @throws Failure `answer_too_large`, with the rest left unread */
export async function readBounded(chunks: AsyncIterable<Uint8Array>, where: string): Promise<Buffer> {
  const read: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > LARGEST_ANSWER)
      throw new Failure(
        'answer_too_large',
        `${where} sent more than ${LARGEST_ANSWER / 1024 ** 2} MiB; the rest was not read.`,
        {
          hint: 'Something else answers there than should: check the URL, and any proxy on the way. What was asked for may have been done all the same.',
        },
      );
    read.push(chunk);
  }
  return Buffer.concat(read, size);
}

interface Asking extends Omit<RequestInit, 'body' | 'signal'> {
  body?: RequestInit['body'] | undefined;
  signal?: AbortSignal | undefined;
}

/** `fetch`, with a body that is read whole and within bounds before it answers. Throws as `fetch` does, and Failure. */
export async function fetchBounded(url: string, init: Asking): Promise<Response> {
  const response = await fetch(url, init as RequestInit);
  const { status, statusText, headers, body } = response;
  const whole = body && (await readBounded(body, new URL(url).origin));
  return new Response(whole, { status, statusText, headers });
}
