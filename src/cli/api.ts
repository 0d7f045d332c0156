// Calls of the /v1 API with a token: JSON both ways, the reason, the idempotency key, one try again where it is safe.
import { randomUUID } from 'node:crypto';
import type { Access } from './access.ts';
import { assertOk, readAnswer } from './answer.ts';
import { usage } from './failure.ts';
import { type Answer, isLost, type Request, send } from './http.ts';
import { patiently } from './patience.ts';

export type Query = Record<string, string | number | boolean | undefined>;

export interface Api {
  get(path: string, query?: Query, deadline?: number): Promise<unknown>;
  /** The body as it came, for what is not JSON. */
  getText(path: string, query?: Query): Promise<string>;
  /** A creating write: at most once, however often it is sent. */
  create(path: string, body: object, idempotencyKey?: string): Promise<unknown>;
  send(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<unknown>;
}

export interface ApiOptions {
  reason?: string | undefined;
  /** Told of each request and its answer; never of headers or bodies. */
  trace?: (line: string) => void;
  /** Milliseconds. Given, a service that will be there in a moment is waited for, where that is safe. */
  sleep?: (ms: number) => Promise<void>;
}

/** One segment of a path: whatever a person typed stays within it. @throws Failure (usage) for what cannot be one. */
export function segment(text: string): string {
  // A URL climbs at dots, however they are encoded.
  if (/^\.{0,2}$/.test(text)) throw usage(`"${text}" is no id and no name.`);
  return encodeURIComponent(text);
}

export function createApi({ token, apiUrl }: Access, { reason, trace, sleep }: ApiOptions): Api {
  const safely = <T>(work: () => Promise<T>): Promise<T> => (sleep ? patiently(work, sleep) : work());
  const call = async (request: Request, again: boolean): Promise<Answer> => {
    const headers = {
      authorization: `Bearer ${token.access_token}`,
      ...(reason === undefined ? {} : { 'countersign-reason': encodeURIComponent(reason) }),
      ...request.headers,
    };
    const once = async (): Promise<Answer> => {
      const answer = await send({ ...request, headers });
      trace?.(`${request.method} ${request.url} -> ${answer.status}`);
      return answer;
    };
    try {
      return await once();
    } catch (error) {
      if (!again || !isLost(error)) throw error;
      return await once();
    }
  };
  const change = (
    method: string,
    path: string,
    body: object | undefined,
    further: Record<string, string>,
    again: boolean,
  ): Promise<Answer> =>
    call(
      {
        method,
        url: `${apiUrl}${path}`,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...further,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      },
      again,
    );
  const read = (path: string, query: Query, deadline?: number): Promise<Answer> =>
    call(
      { method: 'GET', url: `${apiUrl}${path}${queryString(query)}`, ...(deadline === undefined ? {} : { deadline }) },
      true,
    );
  return {
    get: (path, query = {}, deadline) => safely(async () => readAnswer(await read(path, query, deadline))),
    getText: (path, query = {}) =>
      safely(async () => {
        const answer = await read(path, query);
        assertOk(answer);
        return answer.text;
      }),
    create: (path, body, key = randomUUID()) =>
      safely(async () => readAnswer(await change('POST', path, body, { 'idempotency-key': key }, true))),
    send: async (method, path, body) => readAnswer(await change(method, path, body, {}, false)),
  };
}

function queryString(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}
