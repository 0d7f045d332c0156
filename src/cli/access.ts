// How this command proves who it is: a ready token, a client's own key, its platform's token, or the host's socket.
import { existsSync } from 'node:fs';
import { EXIT, Failure, usage } from './failure.ts';
import { readAnswer } from './answer.ts';
import { baseUrl, sendToSocket } from './http.ts';
import { readText } from './options.ts';
import type { Outside } from './outside.ts';
import { patiently } from './patience.ts';
import { type Client, discover, exchangeToken, requestToken, readToken, type TokenAnswer } from './remote.ts';

export interface Identity {
  url?: string | undefined;
  as?: string | undefined;
  reason?: string | undefined;
}

/** What a token is for: the API, with scopes; one connection's credentials or any granted one's; or another audience. */
export type Wanted =
  | { for: 'api'; scopes: readonly string[] }
  | { for: 'credentials'; connection: string }
  | { for: 'resource'; resource: string; scopes: readonly string[] };

export interface Access {
  token: TokenAnswer;
  /** Base URL of the API, without a trailing slash. */
  apiUrl: string;
}

export type Source =
  | { kind: 'token'; token: string; url: string }
  | { kind: 'client'; client: Client }
  /** A file is read for each request: platforms renew it. */
  | { kind: 'platform'; token: { file: string } | { text: string }; url: string }
  | { kind: 'socket' };

/** Which of them this invocation uses. @throws Failure (usage) where the environment says half of one. */
export function sourceOf(env: Outside['env'], identity: Identity): Source {
  const given = identity.url ?? env.COUNTERSIGN_URL;
  const url = given ? baseUrl(given, identity.url ? '--url' : 'COUNTERSIGN_URL') : undefined;
  const {
    COUNTERSIGN_TOKEN: token,
    COUNTERSIGN_CLIENT_ID: clientId,
    COUNTERSIGN_PRIVATE_KEY_FILE: privateKeyFile,
    COUNTERSIGN_IDENTITY_TOKEN_FILE: identityFile,
    COUNTERSIGN_IDENTITY_TOKEN: identity_token,
  } = env;
  const need = (name: string): Failure =>
    usage(
      `${name} goes with COUNTERSIGN_URL, which is not set.`,
      'Set COUNTERSIGN_URL to the internal URL of the service, or give --url.',
    );
  if (token) {
    if (!url) throw need('COUNTERSIGN_TOKEN');
    return { kind: 'token', token: token.trim(), url };
  }
  if (identityFile || identity_token) {
    const [name, other] = ['COUNTERSIGN_IDENTITY_TOKEN', 'COUNTERSIGN_CLIENT_ID and COUNTERSIGN_PRIVATE_KEY_FILE'];
    if (identityFile && identity_token) throw usage(`${name} and ${name}_FILE are both set.`, 'Keep one.');
    if (clientId || privateKeyFile)
      throw usage(`${name} goes without ${other}.`, 'A client proves itself in one way: keep one of them.');
    if (!url) throw need(identityFile ? `${name}_FILE` : name);
    return { kind: 'platform', token: identityFile ? { file: identityFile } : { text: identity_token as string }, url };
  }
  if (clientId || privateKeyFile) {
    if (!clientId || !privateKeyFile) {
      const [set, missing] = clientId
        ? ['COUNTERSIGN_CLIENT_ID', 'COUNTERSIGN_PRIVATE_KEY_FILE']
        : ['COUNTERSIGN_PRIVATE_KEY_FILE', 'COUNTERSIGN_CLIENT_ID'];
      throw usage(`${set} is set and ${missing} is not.`, 'A client needs both.');
    }
    if (!url) throw need('COUNTERSIGN_CLIENT_ID');
    return { kind: 'client', client: { clientId, privateKeyFile, url } };
  }
  if (url) {
    throw usage(
      'There is a URL, but nothing that says who is asking.',
      'Set COUNTERSIGN_CLIENT_ID and COUNTERSIGN_PRIVATE_KEY_FILE, COUNTERSIGN_IDENTITY_TOKEN_FILE, or COUNTERSIGN_TOKEN; or give no URL and use the socket on the host.',
    );
  }
  return { kind: 'socket' };
}

/** A token for what is wanted. @throws Failure: `usage`, `unreachable`, or what the token endpoint says. */
export async function obtainAccess(outside: Outside, identity: Identity, wanted: Wanted): Promise<Access> {
  return await patiently(() => askForAccess(outside, identity, wanted), outside.sleep);
}

async function askForAccess(outside: Outside, identity: Identity, wanted: Wanted): Promise<Access> {
  const source = sourceOf(outside.env, identity);
  if (source.kind === 'token')
    return { token: { access_token: source.token, token_type: 'Bearer', expires_in: 0 }, apiUrl: source.url };
  if (source.kind === 'client') {
    const discovered = await discover(source.client.url);
    const token = await requestToken(
      source.client,
      discovered,
      { resource: resourceOf(discovered.issuer, wanted), scopes: 'scopes' in wanted ? wanted.scopes : [] },
      outside.now(),
    );
    return { token, apiUrl: source.client.url };
  }
  if (source.kind === 'platform') {
    const discovered = await discover(source.url);
    const asked = { resource: resourceOf(discovered.issuer, wanted), scopes: 'scopes' in wanted ? wanted.scopes : [] };
    const shown = 'file' in source.token ? readText(source.token.file) : source.token.text;
    return { token: await exchangeToken(shown.trim(), discovered, asked), apiUrl: source.url };
  }
  if (wanted.for !== 'api') {
    throw usage(
      'The host gets tokens for the API alone: credentials are for workloads that have a grant.',
      'Set COUNTERSIGN_URL, COUNTERSIGN_CLIENT_ID and COUNTERSIGN_PRIVATE_KEY_FILE to be a workload.',
    );
  }
  return await fromSocket(outside, identity, wanted.scopes);
}

/** Audiences name connections by id; a reference may be used with a token for every connection granted. */
function resourceOf(issuer: string, wanted: Wanted): string {
  if (wanted.for === 'resource') return wanted.resource;
  if (wanted.for === 'api') return `${issuer}/v1`;
  return /^cn_[a-z2-7]{26}$/.test(wanted.connection)
    ? `${issuer}/v1/connections/${wanted.connection}/credentials`
    : `${issuer}/v1/credentials`;
}

async function fromSocket(outside: Outside, identity: Identity, scopes: readonly string[]): Promise<Access> {
  const as = identity.as ?? outside.env.SUDO_USER ?? outside.env.USER;
  const body = {
    ...(scopes.length > 0 ? { scopes } : {}),
    ...(as ? { as } : {}),
    ...(identity.reason ? { reason: identity.reason } : {}),
  };
  const answer = await sendToSocket(await findSocketPath(outside.env), {
    method: 'POST',
    url: '/token',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  });
  const value = readAnswer(answer);
  const { api_url: apiUrl } = value as { api_url?: unknown };
  if (typeof apiUrl !== 'string')
    throw new Failure('unexpected_answer', 'The socket did not say where the API is.', {
      hint: 'Is the service of the same version as this command?',
    });
  return { token: readToken(value), apiUrl: baseUrl(apiUrl, 'The API URL that the socket names') };
}

/** Where the service of this DATA_DIR listens; imported late, because configuration brings the schema library. */
async function findSocketPath(env: Outside['env']): Promise<string> {
  const dataDir = env.DATA_DIR || '.data';
  if (!env.SOCKET_PATH && !existsSync(dataDir)) {
    throw new Failure(
      'unreachable',
      `There is no service of this folder: ${dataDir} is not there, and so is no socket.`,
      {
        exit: EXIT.unreachable,
        hint: 'Set DATA_DIR or SOCKET_PATH as the service has it, or COUNTERSIGN_URL and who is asking (see countersign --help).',
      },
    );
  }
  const { socketPath } = await import('../config.ts');
  return socketPath(env);
}
