// A stand-in for a platform that issues tokens: a web server of its own as a process, keys that rotate, and every way to misbehave.
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Test } from 'tap';
import { keepPrivateKey, keepShown } from './known-secrets.ts';
import type { StandInAnswers, StandInMessage, StandInReply } from './stand-in-issuer-process.ts';
import { forkStandIn } from './stand-in-process.ts';

export type { StandInAnswer, StandInAnswers } from './stand-in-issuer-process.ts';

export type StandInAlgorithm = 'RS256' | 'ES256' | 'ES384';

export interface StandInKey {
  kid: string;
  alg: StandInAlgorithm;
  privateKey: KeyObject;
  jwk: Record<string, unknown>;
}

let made = 0;

export function createStandInKey(alg: StandInAlgorithm, kid = `key-${(made += 1)}`): StandInKey {
  const { privateKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : 'P-384' });
  keepPrivateKey('the private key of a stand-in issuer', privateKey);
  const jwk = { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, alg, use: 'sig' };
  return { kid, alg, privateKey, jwk };
}

export interface StandIn {
  /** Its `iss`. */
  readonly url: string;
  /** What it publishes; the last one signs. They stay here: its server is told their public halves. */
  readonly keys: readonly StandInKey[];
  /** From here on it publishes these keys, and beside them whatever is said to be one. */
  publish(keys: StandInKey[], beside?: object[]): Promise<void>;
  /** From here on it answers so: at these paths, or at each with `*` among them; as it should again, unless given. */
  answer(answers?: StandInAnswers): Promise<void>;
  /** Paths in the order they were asked for. */
  asked(): Promise<string[]>;
  /** How many connections were made to it. */
  came(): Promise<number>;
  /** A token as this platform makes them; `claims` and `header` replace what is right, undefined leaves out. */
  sign(claims: Record<string, unknown>, header?: Record<string, unknown>, key?: StandInKey): Promise<string>;
}

export const DISCOVERY = '/.well-known/openid-configuration';

/** What an issuer answers as it should. @param url its `iss`, of which the path is before each of its paths */
export function documentsOf(url: string, jwks: readonly object[]): StandInAnswers {
  const { pathname } = new URL(url);
  const path = pathname.replace(/\/$/, '');
  return {
    [`${path}${DISCOVERY}`]: { body: { issuer: url, jwks_uri: `${url}/jwks` } },
    [`${path}/jwks`]: { body: { keys: jwks } },
  };
}

/** Whole seconds since the epoch. */
export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

export async function signAs(
  key: StandInKey,
  payload: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  const signed = await new SignJWT(payload)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header } as { alg: string })
    .sign(key.privateKey);
  keepShown('of a platform', signed);
  return signed;
}

/** Asks an issuer once for its documents: a process that was just started is slower than whoever is timed may wait. */
export async function warm(url: string): Promise<void> {
  for (const path of [DISCOVERY, '/jwks']) await (await fetch(url + path, { headers: { connection: 'close' } })).text();
}

export async function startStandIn(t: Test, alg: StandInAlgorithm = 'RS256'): Promise<StandIn> {
  const tell = forkStandIn<StandInMessage, StandInReply>(t, 'stand-in-issuer-process.ts');
  const { url } = await tell({});
  let keys: StandInKey[] = [];
  let published: object[] = [];
  let others: StandInAnswers = {};
  let before: Pick<StandInReply, 'asked' | 'came'> = { asked: [], came: 0 };
  const show = () => tell({ answers: others['*'] ? others : { ...documentsOf(url, published), ...others } });
  const standIn: StandIn = {
    url,
    get keys() {
      return keys;
    },
    publish: async (next, beside = []) => {
      keys = next;
      published = [...next.map(({ jwk }) => jwk), ...beside];
      await show();
    },
    answer: async (answers = {}) => {
      others = answers;
      await show();
    },
    asked: async () => (await tell({})).asked.slice(before.asked.length),
    came: async () => (await tell({})).came - before.came,
    sign: (claims, header, key = keys.at(-1) as StandInKey) => {
      const now = nowSeconds();
      return signAs(key, { iss: url, iat: now, nbf: now, exp: now + 300, ...claims }, header);
    },
  };
  await standIn.publish([createStandInKey(alg)]);
  await warm(url);
  before = await tell({});
  return standIn;
}
