// Where people sign in for a service: what it says (GET /v1/login), and which of them is meant.
import { readAnswer } from '../answer.ts';
import { Failure, usage } from '../failure.ts';
import { isConfidential, send } from '../http.ts';

export interface Login {
  /** What the service calls the trusted issuer. */
  name: string;
  issuer: string;
  client_id: string;
  scopes: string[];
}

/** Shown to a person and sent on: one word, and nothing that a terminal would obey. */
const isWord = (value: unknown): boolean => typeof value === 'string' && /^[!-~]{1,512}$/.test(value);

function isLogin(value: unknown): value is Login {
  const { name, issuer, client_id, scopes } = (value ?? {}) as Record<keyof Login, unknown>;
  return [name, issuer, client_id].every(isWord) && Array.isArray(scopes) && scopes.every(isWord);
}

/** @param url of the service. @throws Failure */
export async function listLogins(url: string): Promise<Login[]> {
  const answer = await send({ method: 'GET', url: `${url}/v1/login`, headers: { accept: 'application/json' } });
  if (answer.status === 404 || answer.status === 401)
    throw new Failure('no_login', 'This service does not let people sign in: it is older than this command.', {
      hint: 'Is COUNTERSIGN_URL the internal URL of the service?',
      status: answer.status,
    });
  const { issuers } = (readAnswer(answer) ?? {}) as { issuers?: unknown };
  if (Array.isArray(issuers) && issuers.every(isLogin)) return issuers;
  throw new Failure('unexpected_answer', 'The service does not say where people sign in.', {
    hint: 'Is the service of the same version as this command?',
  });
}

/** @param name of the one that is meant. @throws Failure that lists which there are */
export function chooseLogin(logins: readonly Login[], name: string | undefined): Login {
  const names = logins.map((login) => login.name).join(', ');
  if (logins.length === 0)
    throw new Failure('no_login', 'Nobody signs in to this service: no trusted issuer has a client for it.', {
      hint: 'An administrator says which: countersign trusted-issuer update <issuer> --login-client-id <client id> (docs/people.md).',
    });
  if (name === undefined && logins.length > 1)
    throw usage('People sign in at more than one issuer.', `Name one with --issuer: ${names}.`);
  const login = name === undefined ? logins[0] : logins.find((one) => one.name === name);
  if (!login) throw usage(`Nobody signs in at ${name}.`, `People sign in at: ${names}.`);
  const url = URL.parse(login.issuer);
  if (!url || !isConfidential(url))
    throw new Failure('sign_in_not_believed', `${login.name} is at ${login.issuer}, which is not https.`, {
      hint: 'A sign-in is not made in the clear. An administrator mends the trusted issuer.',
    });
  return login;
}
