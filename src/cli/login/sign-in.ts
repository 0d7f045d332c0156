// One sign-in, whichever way it goes: what the person is told, how long is waited, and how it ends early.
import { Ended, Failure, INTERRUPTED } from '../failure.ts';
import type { Outside } from '../outside.ts';
import { clean } from '../text.ts';
import { hasDisplay, openBrowser } from './browser.ts';
import type { SignedIn } from './company.ts';
import type { Login } from './logins.ts';
import { openLoopback } from './loopback.ts';

export interface Ways {
  device?: true;
  browser: boolean;
  port?: number;
  /** Seconds. */
  wait: number;
}

async function byCode(
  outside: Outside,
  login: Login,
  { browser, port = 0 }: Ways,
  signal: AbortSignal,
): Promise<SignedIn> {
  const { signInByCode } = await import('./company.ts');
  const { redirectUri, state, callback, close } = await openLoopback(port, login.name);
  signal.addEventListener('abort', close, { once: true });
  const visit = (page: URL): void => {
    tell(outside, `Sign in at ${login.name}, on this page:\n\n  ${page.href}\n`);
    if (browser && hasDisplay(outside.env, process.platform)) openBrowser(page, outside.env, process.platform);
  };
  return await signInByCode(login, { redirectUri, state, visit, callback });
}

async function byDevice(outside: Outside, login: Login, signal: AbortSignal): Promise<SignedIn> {
  const { signInByDevice } = await import('./company.ts');
  return await signInByDevice(login, {
    signal,
    tell: (page, code, whole) => {
      tell(
        outside,
        `Sign in at ${login.name}: open ${page.href} on any device, and enter the code\n\n  ${clean(code)}\n`,
      );
      if (whole) tell(outside, `Or open the page that has it already:\n\n  ${whole.href}\n`);
    },
  });
}

/** On stderr, with --json as well: without it nobody could sign in. */
const tell = ({ stderr }: Outside, text: string): unknown => stderr.write(`${text}\n`);

/** @throws Failure; Ended where the person ended it */
export async function signIn(outside: Outside, login: Login, ways: Ways): Promise<SignedIn> {
  const end = new AbortController();
  const work = async (): Promise<SignedIn> => {
    if (ways.device) return await byDevice(outside, login, end.signal);
    const { offersDevice } = await import('./company.ts');
    const nobodyHere = ways.browser && !hasDisplay(outside.env, process.platform);
    if (nobodyHere && (await offersDevice(login))) return await byDevice(outside, login, end.signal);
    return await byCode(outside, login, ways, end.signal);
  };
  tell(outside, `Waiting for you for ${ways.wait} s at most; Ctrl-C ends it.`);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const failure = new Failure('sign_in_timeout', `Nobody signed in at ${login.name} within ${ways.wait} s.`, {
      hint: 'Run it again, and give more time with --wait. Nothing was kept.',
    });
    timer = setTimeout(() => reject(failure), ways.wait * 1000);
  });
  const stopped = outside.stopped().then((): never => {
    throw new Ended(INTERRUPTED);
  });
  try {
    return await Promise.race([work(), late, stopped]);
  } finally {
    clearTimeout(timer);
    end.abort();
  }
}
