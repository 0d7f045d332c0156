// A load generator that costs little: requests written out beforehand, each connection sending its next when answered.
import { connect, type Socket } from 'node:net';

/** One HTTP/1.1 request as it goes over the wire. */
export function buildRequest(url: string, method: string, headers: Record<string, string> = {}, body = ''): Buffer {
  const { host, pathname, search } = new URL(url);
  const lines = [
    `${method} ${pathname}${search} HTTP/1.1`,
    `host: ${host}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  if (body !== '') lines.push(`content-length: ${Buffer.byteLength(body)}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

export interface Answered {
  status: number;
  body: string;
}

/** One keep-alive connection; one request at a time. */
export interface Line {
  ask(request: Buffer): Promise<Answered>;
  close(): void;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** The answer at the start of `received`, and its length; undefined while it is not whole. */
function readAnswer(received: Buffer): { answer: Answered; length: number } | undefined {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = received.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without Content-Length: ${head}`);
  const end = headEnd + HEAD_END.length + Number(length);
  if (received.length < end) return undefined;
  const answer = { status: Number(head.slice(9, 12)), body: received.toString('utf8', headEnd + HEAD_END.length, end) };
  return { answer, length: end };
}

export async function openLine(url: string): Promise<Line> {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let received: Buffer = Buffer.alloc(0);
  let waiting: { resolve(answer: Answered): void; reject(error: Error): void } | undefined;
  const fail = (error: Error): void => waiting?.reject(error);
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the server closed the connection')));
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    try {
      const read = readAnswer(received);
      if (!read) return;
      received = received.subarray(read.length);
      waiting?.resolve(read.answer);
    } catch (error) {
      fail(error as Error);
    }
  });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request);
      }),
    close: () => {
      waiting = undefined;
      socket.destroy();
    },
  };
}

/**
 * Sends every request once over `connections` connections that are open before the clock starts.
 * @returns seconds from the first request to the last answer.
 * @throws Error at the first answer that is not `expected`.
 */
export async function sendAll(
  url: string,
  requests: readonly Buffer[],
  connections: number,
  expected = 200,
): Promise<number> {
  return (await sendTimed(url, requests, connections, expected)).seconds;
}

/** The same, and the milliseconds of each. */
export async function sendTimed(
  url: string,
  requests: readonly Buffer[],
  connections: number,
  expected = 200,
): Promise<{ seconds: number; times: number[] }> {
  const times: number[] = [];
  const lines = await Promise.all(Array.from({ length: connections }, () => openLine(url)));
  let next = 0;
  const started = performance.now();
  try {
    await Promise.all(
      lines.map(async (line) => {
        for (let request = requests[next++]; request; request = requests[next++]) {
          const asked = performance.now();
          const { status, body } = await line.ask(request);
          times.push(performance.now() - asked);
          if (status !== expected) throw new Error(`${url} answered ${status}: ${body.slice(0, 500)}`);
        }
      }),
    );
    return { seconds: (performance.now() - started) / 1000, times };
  } finally {
    for (const line of lines) line.close();
  }
}
