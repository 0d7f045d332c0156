// The sign-in endpoint for the console: a session's secrets for a sign-in token, and that token for a page.
import { randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { type RecordedCall, recordCall } from './dispatch.ts';
import type { Faults } from './faults.ts';
import { beforeCall, sendWithFault } from './faults.ts';
import { AwsError } from './wire/error.ts';
import { type Form, optionalInteger, parseForm } from './wire/form.ts';
import { headerOf, type WireRequest } from './wire/request.ts';
import type { Session, World } from './world.ts';

const LIFETIME_MS = 15 * 60_000;

interface SignIn {
  session: Session;
  validUntil: number;
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
  accountId: string;
}

/** AWS's words for whatever is wrong with a session, a token or a page. */
function refused(what: string): AwsError {
  return new AwsError('InvalidRequest', `Invalid ${what} parameter`, 400);
}

function same(given: unknown, wanted: string): boolean {
  const [a, b] = [Buffer.from(typeof given === 'string' ? given : ''), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Of the JSON that holds its three secrets. */
function findSession(world: World, text: string): Session {
  let given: Record<string, unknown>;
  try {
    given = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw refused('credentials');
  }
  const session = world.sessions.get(String(given?.['sessionId']));
  const known =
    session && same(given['sessionKey'], session.secretAccessKey) && same(given['sessionToken'], session.token);
  if (!known || world.now() >= session.expiresAt) throw refused('credentials');
  return session;
}

const CONSOLES: Record<string, string> = {
  aws: 'console.aws.amazon.com',
  'aws-cn': 'console.amazonaws.cn',
  'aws-us-gov': 'console.amazonaws-us-gov.com',
  'aws-eusc': 'console.amazonaws-eusc.eu',
};

/** A page of the console in the session's own partition. */
function readDestination(text: string | undefined, partition: string): string {
  const page = URL.parse(text ?? '');
  const host = CONSOLES[partition] ?? '';
  if (page?.protocol !== 'https:' || page.port !== '' || !`.${page.hostname}`.endsWith(`.${host}`))
    throw refused('destination');
  return page.href;
}

export interface Federation {
  /** Answers a request for `/federation`. */
  answer(faults: Faults, calls: RecordedCall[], request: WireRequest, response: ServerResponse): Promise<void>;
}

export function createFederation(world: World): Federation {
  const signIns = new Map<string, SignIn>();

  function getSigninToken(form: Form): Answer {
    const session = findSession(world, form.get('Session') ?? '');
    optionalInteger(form, 'SessionDuration', 900, 43_200);
    const token = randomBytes(300).toString('base64url');
    for (const [known, { validUntil }] of signIns) if (world.now() >= validUntil) signIns.delete(known);
    signIns.set(token, { session, validUntil: world.now() + LIFETIME_MS });
    const body = JSON.stringify({ SigninToken: token });
    return { status: 200, headers: { 'content-type': 'application/json' }, body, accountId: session.accountId };
  }

  /** What a browser does with the link; it is used up by that. */
  function login(form: Form): Answer {
    const token = form.get('SigninToken') ?? '';
    const signIn = signIns.get(token);
    if (!signIn || world.now() >= signIn.validUntil) throw refused('SigninToken');
    const { session } = signIn;
    const location = readDestination(form.get('Destination'), session.partition);
    signIns.delete(token);
    return { status: 302, headers: { location }, body: '', accountId: session.accountId };
  }

  /** Secrets may come in a body; a browser's link is a GET. */
  function perform(request: WireRequest, form: Form): Answer {
    const action = form.get('Action');
    if (action === 'getSigninToken') return getSigninToken(form);
    if (action === 'login' && request.method === 'GET') return login(form);
    throw refused('Action');
  }

  function readForm(request: WireRequest): Form {
    if (request.method === 'GET') return parseForm(request.query);
    const type = headerOf(request, 'content-type')?.split(';')[0]?.trim().toLowerCase();
    if (request.method !== 'POST' || type !== 'application/x-www-form-urlencoded') throw refused('Action');
    return parseForm(request.body.toString('utf8'));
  }

  return {
    answer: async (faults, calls, request, response) => {
      let form: Form = new Map();
      const settle = (outcome: string, accountId?: string): void =>
        recordCall(calls, {
          ...{ action: form.get('Action') ?? '', at: world.now(), outcome, requestId: randomUUID() },
          ...(accountId && { accountId }),
        });
      response.setHeader('cache-control', 'no-store');
      let fault: ReturnType<Faults['take']>;
      try {
        world.witness(request.body.toString());
        form = readForm(request);
        fault = faults.take(form.get('Action') ?? '');
        await beforeCall(fault);
        const { status, headers, body, accountId } = perform(request, form);
        settle('ok', accountId);
        world.witness(body);
        if (fault && fault.kind !== 'latency') return sendWithFault(response, fault, status, body);
        response.writeHead(status, headers).end(body);
      } catch (cause) {
        if (!(cause instanceof AwsError)) throw cause;
        settle(cause.code);
        // A page for people, as AWS has it.
        response.writeHead(cause.status, { 'content-type': 'text/html' });
        response.end(`<html><body><h1>${cause.status}</h1><p>${cause.message}</p></body></html>\n`);
      }
    },
  };
}
