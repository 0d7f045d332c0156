// The web server of a stand-in issuer: answers by path as it is told, well or badly, and knows no secret. Run by stand-in-issuer.ts.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** An answer, as data. */
export interface StandInAnswer {
  /** 200 unless given. */
  status?: number;
  /** JSON by its type unless given; null leaves the type out. */
  type?: string | null;
  headers?: Record<string, string>;
  /** A text as it is, anything else as JSON. */
  body?: unknown;
  /** How many times it is written; once unless given. */
  times?: number;
  /** What it waits for before the first byte, in milliseconds. */
  afterMs?: number;
  /** Never after the body, or with a space every so often and never, or by a cut of the connection; as it should unless given. */
  ends?: 'never' | 'trickling' | 'cut';
  /** Written in place of HTTP; an empty one cuts the connection. */
  raw?: string;
}

/** By path; that of `*` is for every other. 404 where there is none. */
export type StandInAnswers = Record<string, StandInAnswer>;

/** What stand-in-issuer.ts sends: with answers, they are in the place of all that were. */
export interface StandInMessage {
  answers?: StandInAnswers;
}

/** What it hears to each, when that is done. */
export interface StandInReply {
  url: string;
  /** Paths in the order they were asked for. */
  asked: string[];
  /** Connections, also of those who asked for nothing. */
  came: number;
}

const TRICKLE_MS = 50;

async function give(response: ServerResponse, answer: StandInAnswer): Promise<void> {
  const { status = 200, type = 'application/json', headers = {}, body = '', times = 1, afterMs, ends, raw } = answer;
  const { socket } = response;
  if (afterMs) await delay(afterMs);
  if (raw !== undefined) return void (raw === '' ? socket?.destroy() : socket?.end(raw));
  response.writeHead(status, { ...(type === null ? {} : { 'content-type': type }), ...headers });
  const text = (typeof body === 'string' ? body : JSON.stringify(body)).repeat(times);
  if (ends === undefined) return void response.end(text);
  response.write(text);
  if (ends === 'cut') return void response.write('', () => socket?.destroy());
  while (ends === 'trickling' && !response.destroyed) {
    response.write(' ');
    await delay(TRICKLE_MS);
  }
}

let answers: StandInAnswers = {};
const asked: string[] = [];
let came = 0;
const server = createServer((request, response) => {
  const path = request.url as string;
  asked.push(path);
  void give(response, answers[path] ?? answers['*'] ?? { status: 404 });
});
server.on('connection', () => (came += 1));
await once(server.listen(0, '127.0.0.1'), 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

process.on('message', (message: StandInMessage) => {
  answers = message.answers ?? answers;
  process.send?.({ url, asked, came } satisfies StandInReply);
});
process.on('disconnect', () => process.exit(0));
