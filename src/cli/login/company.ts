// The company's issuer, by openid-client: a sign-in by authorization code or by device, its renewal and its revocation.
import * as openid from 'openid-client';
import { fetchBounded } from '../bounded.ts';
import { EXIT, Failure } from '../failure.ts';
import { DEADLINE, isConfidential, unreachable } from '../http.ts';
import type { SignIn } from './kept.ts';
import type { Login } from './logins.ts';
import type { Callback } from './loopback.ts';

export interface SignedIn {
  subject: string;
  /** What people call whoever it is, where the issuer says it: for reading alone. */
  name: string | undefined;
  idToken: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  refreshToken: string | undefined;
}

/** What the issuer said, or what was wrong with how it said it. */
function toFailure(error: unknown, issuer: string): unknown {
  if (error instanceof openid.AuthorizationResponseError || error instanceof openid.ResponseBodyError) {
    const { error: code, error_description: description } = error;
    return new Failure('issuer_refused', `${issuer} refused it: ${description ? `${description} (${code})` : code}.`, {
      hint: 'What the issuer says is for its own administrators: the client that is registered there, and who may use it.',
      cause: error,
    });
  }
  const { code } = error as { code?: unknown };
  // Our own bounds, as the library passes them on.
  if (error instanceof Error && error.cause instanceof Failure) return error.cause;
  // The library makes an OAuth error of 4xx alone, and of those where the body is one.
  const { status = 0 } = error instanceof Error && error.cause instanceof Response ? error.cause : {};
  if (status === 429 || status >= 500)
    return new Failure('issuer_unreachable', `${issuer} answered ${status}.`, {
      ...{ exit: EXIT.unreachable, hint: 'It is away or busy: try again in a moment.', cause: error },
    });
  const byLibrary =
    error instanceof openid.ClientError || (error instanceof Error && String(code).startsWith('OAUTH_'));
  if (error instanceof TypeError || code === 'OAUTH_TIMEOUT') {
    const failure = unreachable(issuer, 'This machine must reach it itself.', error, DEADLINE);
    return new Failure(failure.code.startsWith('tls_') ? failure.code : 'issuer_unreachable', failure.message, {
      ...{ exit: EXIT.unreachable, hint: failure.hint, cause: error },
    });
  }
  if (!byLibrary) return error;
  const said = [error, error.cause].flatMap((link) => (link instanceof Error ? [link.message] : []));
  return new Failure('sign_in_not_believed', `What came from ${issuer} is not believed: ${said.join(': ')}.`, {
    hint: 'It signs nobody in. Begin again, with the page that this command opens and no other.',
    cause: error,
  });
}

async function asking<T>(issuer: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toFailure(error, issuer);
  }
}

type Client = Pick<Login, 'issuer' | 'client_id'>;

async function open({ issuer, client_id }: Client, ask = fetchBounded): Promise<openid.Configuration> {
  // Signatures are verified although the tokens come from the issuer itself: a proxy with an authority of its own is between.
  const execute = [openid.enableNonRepudiationChecks];
  // The service names it, and http was taken for loopback alone.
  if (issuer.startsWith('http:')) execute.push(openid.allowInsecureRequests);
  const options = { timeout: DEADLINE / 1000, execute, [openid.customFetch]: ask };
  return await openid.discovery(new URL(issuer), client_id, undefined, openid.None(), options);
}

/** A page that a person is sent to. @throws Failure */
function requirePage(text: string, issuer: string): URL {
  const url = URL.parse(text);
  if (url && isConfidential(url)) return url;
  throw new Failure('sign_in_not_believed', `${issuer} names a page that is not https: nobody is sent there.`);
}

/** The end of the year 9999: what ends later can be said of no date. Seconds since the epoch. */
const LATEST = 253_402_300_799;

type Tokens = openid.TokenEndpointResponse & openid.TokenEndpointResponseHelpers;

function readTokens(tokens: Tokens, issuer: string): SignedIn {
  const claims = tokens.claims();
  if (!claims || tokens.id_token === undefined)
    throw new Failure('no_id_token', `${issuer} gave no ID token.`, {
      hint: 'The scopes of the sign-in must hold openid, and the client must be one of OpenID Connect there.',
    });
  const { sub, exp, email, preferred_username } = claims;
  const name = [email, preferred_username].find((value) => typeof value === 'string');
  const { id_token: idToken, refresh_token: refreshToken } = tokens;
  const expiresAt = Math.min(exp, LATEST) * 1000;
  return { subject: sub, name: name as string | undefined, idToken, expiresAt, refreshToken };
}

/** Scopes; and consent where a refresh token is asked for: OpenID Connect Core, section 11. */
function asked(scopes: readonly string[]): Record<string, string> {
  const scope = [...new Set(['openid', ...scopes])].join(' ');
  return scopes.includes('offline_access') ? { scope, prompt: 'consent' } : { scope };
}

export interface CodeWay {
  redirectUri: string;
  /** What the callback has to bring back. */
  state: string;
  /** Sends the person to the page. */
  visit(page: URL): void;
  callback: Promise<Callback>;
}

/** RFC 8252: the person's browser comes back to this machine with a code. @throws Failure */
export async function signInByCode(login: Login, { redirectUri, state, visit, callback }: CodeWay): Promise<SignedIn> {
  const { issuer } = login;
  const [pkceCodeVerifier, nonce] = [openid.randomPKCECodeVerifier(), openid.randomNonce()];
  const client = await asking(issuer, async () => {
    const config = await open(login);
    const page = openid.buildAuthorizationUrl(config, {
      ...{ redirect_uri: redirectUri, ...asked(login.scopes), state, nonce },
      ...{ code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256' },
    });
    visit(requirePage(page.href, issuer));
    return config;
  });
  const { url, answer } = await callback;
  try {
    const checks = { pkceCodeVerifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
    const tokens = await asking(issuer, () => openid.authorizationCodeGrant(client, url, checks));
    const signedIn = readTokens(tokens, issuer);
    await answer(undefined);
    return signedIn;
  } catch (error) {
    await answer(error instanceof Error ? error.message : 'It did not work.');
    throw error;
  }
}

export interface DeviceWay {
  /** Tells the person where to go, and which code to enter there. */
  tell(page: URL, code: string, whole: URL | undefined): void;
  signal: AbortSignal;
}

/** RFC 8628: the person signs in on whatever device. @throws Failure */
export async function signInByDevice(login: Login, { tell, signal }: DeviceWay): Promise<SignedIn> {
  const { issuer, scopes } = login;
  const tokens = await asking(issuer, async () => {
    const config = await open(login);
    if (config.serverMetadata().device_authorization_endpoint === undefined)
      throw new Failure('no_device_flow', `${issuer} does not let people sign in by device.`, {
        hint: 'Without --device the browser of this machine is used; with --no-browser its page is printed.',
      });
    const started = await openid.initiateDeviceAuthorization(config, asked(scopes));
    const whole = started.verification_uri_complete;
    tell(
      requirePage(started.verification_uri, issuer),
      started.user_code,
      whole ? requirePage(whole, issuer) : undefined,
    );
    return await openid.pollDeviceAuthorizationGrant(config, started, undefined, { signal });
  });
  return readTokens(tokens, issuer);
}

export async function offersDevice(login: Login): Promise<boolean> {
  return await asking(
    login.issuer,
    async () => (await open(login)).serverMetadata().device_authorization_endpoint !== undefined,
  );
}

/** Whether the refresh token is good no more (RFC 6749, section 5.2); what else is refused may be taken later. */
export function isSpent({ cause }: Failure): boolean {
  return cause instanceof openid.ResponseBodyError && cause.error === 'invalid_grant';
}

/** `fetchBounded`, which tells of a refresh token in an answer to a form before anybody looks at the rest. */
function telling(tell: (refreshToken: string) => void): typeof fetchBounded {
  return async (url, init) => {
    const response = await fetchBounded(url, init);
    if (init.method !== 'POST' || !response.ok) return response;
    const body: unknown = await response
      .clone()
      .json()
      .catch(() => undefined);
    const { refresh_token: given } = (body ?? {}) as { refresh_token?: unknown };
    if (typeof given === 'string' && given !== '') tell(given);
    return response;
  };
}

/**
 * @param rotated called with a refresh token that came instead, before anything else of the answer is looked at: the one
 * that was shown is good no more, whatever becomes of the rest
 * @throws Failure
 */
export async function renew(signIn: SignIn, rotated: (refreshToken: string) => void): Promise<SignIn> {
  const { issuer, refresh_token, subject } = signIn;
  const tokens = await asking(issuer, async () =>
    openid.refreshTokenGrant(await open(signIn, telling(rotated)), refresh_token as string),
  );
  const renewed = readTokens(tokens, issuer);
  if (renewed.subject !== subject)
    throw new Failure('sign_in_not_believed', `${issuer} renewed the sign-in of somebody else.`);
  return {
    ...{ ...signIn, id_token: renewed.idToken, expires_at: renewed.expiresAt },
    refresh_token: renewed.refreshToken ?? refresh_token,
  };
}

/** @returns whether the issuer has a way to do it. @throws Failure where that way did not work */
export async function revoke({ issuer, client_id }: Client, refreshToken: string): Promise<boolean> {
  return await asking(issuer, async () => {
    const config = await open({ issuer, client_id });
    if (config.serverMetadata().revocation_endpoint === undefined) return false;
    await openid.tokenRevocation(config, refreshToken, { token_type_hint: 'refresh_token' });
    return true;
  });
}
