// A token for this command, from whoever it is (source.ts), and where the API is that it is for.
import { existsSync } from 'node:fs';
import { readAnswer } from './answer.ts';
import { EXIT, Failure, usage } from './failure.ts';
import { baseUrl, sendToSocket } from './http.ts';
import type { Outside } from './outside.ts';
import { patiently } from './patience.ts';
import { buildProof, type ProvingSource } from './proof.ts';
import { discover, readToken, requestToken, type TokenAnswer } from './remote.ts';
import { type Identity, sourceOf } from './source.ts';

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

/** A token for what is wanted. @throws Failure: `usage`, `unreachable`, or what the token endpoint says. */
export async function obtainAccess(outside: Outside, identity: Identity, wanted: Wanted): Promise<Access> {
  return await patiently(() => askForAccess(outside, identity, wanted), outside.sleep);
}

async function askForAccess(outside: Outside, identity: Identity, wanted: Wanted): Promise<Access> {
  const source = sourceOf(outside.env, identity);
  if (source.kind === 'token')
    return { token: { access_token: source.token, token_type: 'Bearer', expires_in: 0 }, apiUrl: source.url };
  if (source.kind !== 'socket') return await proveAccess(outside, source, wanted);
  if (wanted.for !== 'api') {
    throw usage(
      'The host gets tokens for the API alone: credentials are for workloads that have a grant.',
      'Set COUNTERSIGN_URL, COUNTERSIGN_CLIENT_ID and COUNTERSIGN_PRIVATE_KEY_FILE to be a workload.',
    );
  }
  return await fromSocket(outside, identity, wanted.scopes);
}

/** The same for one that proves itself at the token endpoint. @throws Failure */
export async function proveAccess(outside: Outside, source: ProvingSource, wanted: Wanted): Promise<Access> {
  const discovered = await discover(source.url);
  const asked = { resource: resourceOf(discovered.issuer, wanted), scopes: 'scopes' in wanted ? wanted.scopes : [] };
  const proof = await buildProof(outside, source, discovered.issuer);
  return { token: await requestToken(proof, discovered, asked), apiUrl: source.url };
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
