// Who this invocation of the command is, as its environment says: a ready token, a client's own key, its platform's token, who
// signed in, or the host's socket.
import { type Failure, usage } from './failure.ts';
import { baseUrl } from './http.ts';
import { readSignIn, type SignIn } from './login/kept.ts';
import type { Outside } from './outside.ts';

export interface Identity {
  url?: string | undefined;
  as?: string | undefined;
  reason?: string | undefined;
}

export interface Client {
  clientId: string;
  privateKeyFile: string;
}

export type Source =
  | { kind: 'token'; token: string; url: string }
  | { kind: 'client'; client: Client; url: string }
  /** A file is read for each request: platforms renew it. */
  | { kind: 'platform'; token: { file: string } | { text: string }; url: string }
  /** `as` is the client that is meant, where that is said. */
  | { kind: 'person'; signIn: SignIn; as: string | undefined; url: string }
  | { kind: 'socket' };

/** Whether anything but the socket says who is asking. @throws Failure (usage) where the environment says half of it */
export function findSource(env: Outside['env'], identity: Identity): Exclude<Source, { kind: 'socket' }> | undefined {
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
    return { kind: 'client', client: { clientId, privateKeyFile }, url };
  }
  const signIn = url && readSignIn(env, url);
  return signIn ? { kind: 'person', signIn, as: readAs(env, identity), url } : undefined;
}

/** The same, or the socket. @throws Failure (usage) also where there is a URL and nothing else */
export function sourceOf(env: Outside['env'], identity: Identity): Source {
  const source = findSource(env, identity);
  if (source) return source;
  if (identity.url || env.COUNTERSIGN_URL) {
    throw usage(
      'There is a URL, but nothing that says who is asking.',
      'People: countersign login. Programs: set COUNTERSIGN_CLIENT_ID and COUNTERSIGN_PRIVATE_KEY_FILE, COUNTERSIGN_IDENTITY_TOKEN_FILE, or COUNTERSIGN_TOKEN. Or give no URL and use the socket on the host.',
    );
  }
  return { kind: 'socket' };
}

/** Which administrator or workload a person wants to be: the service knows whose the names are. @throws Failure (usage) */
export function readAs(env: Outside['env'], identity: Identity): string | undefined {
  const as = identity.as ?? (env.COUNTERSIGN_AS || undefined);
  if (as === undefined || /^(ad|wl)_[a-z2-7]{26}$|^[a-z][a-z0-9-]{1,39}$/.test(as)) return as;
  throw usage(
    `${identity.as === undefined ? 'COUNTERSIGN_AS' : '--as'} is neither a name nor the id of an administrator or a workload.`,
    'Who is signed in says which one to be, by its name or by ad_… or wl_…, as countersign whoami shows them.',
  );
}
