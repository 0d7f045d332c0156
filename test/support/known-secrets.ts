// Every secret that this process's tests came to know, in every form, indexed so that a text is searched once for all of them.
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { type Canary, formsOf } from './canaries.ts';

/** Forms shorter than this are found by chance; secrets are longer. */
const SHORTEST = 16;
const WINDOW = 8;
/** Whoever looks at every such place of a text meets a window that lies wholly in any form. */
const STRIDE = SHORTEST - WINDOW + 1;
/** A soak makes tokens without end: what comes after these is counted, and said. */
const MOST = 4000;

interface Form {
  name: string;
  text: string;
}

const known = new Map<string, Canary>();
const windows = new Map<string, Form[]>();
let left = 0;

/** How many secrets came after those that are kept. */
export const countForgotten = (): number => left;
export const listKnown = (): Canary[] => [...known.values()];

/** From here on no sink may hold it. @returns the secret, for where it is made */
export function keepSecret<Value extends string | Buffer>(name: string, value: Value): Value {
  const id = Buffer.from(value).toString('latin1');
  if (id.length < SHORTEST) throw new Error(`${name} is too short to be told from what is there by chance`);
  if (known.has(id)) return value;
  if (known.size >= MOST) {
    left += 1;
    return value;
  }
  known.set(id, { name, value });
  for (const text of formsOf(value)) {
    if (text.length < SHORTEST) continue;
    for (let at = 0; at < STRIDE; at += 1) {
      const window = text.slice(at, at + WINDOW);
      const forms = windows.get(window);
      if (forms) forms.push({ name, text });
      else windows.set(window, [{ name, text }]);
    }
  }
  return value;
}

/** Its secret number, which every encoding of the key holds: JWK, PKCS #8, PEM. */
export function keepPrivateKey<Key extends KeyObject>(name: string, key: Key): Key {
  keepSecret(name, Buffer.from(key.export({ format: 'jwk' }).d as string, 'base64url'));
  return key;
}

export function keepPkcs8(name: string, der: Buffer): void {
  keepPrivateKey(name, createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
}

const JWT = /eyJ[\w-]{8,}\.[\w-]{8,}\.([\w-]{40,})/g;
const CREDENTIALS = /"(SecretAccessKey|Token)": ?"([^"]{16,})"|<(SecretAccessKey|SessionToken)>([^<]{16,})</g;

/**
 * Keeps what secrets a request or its answer shows: tokens and assertions by their signature, without which they are
 * none, and session credentials.
 */
export function keepShown(what: string, text: string): void {
  for (const [, signature] of text.matchAll(JWT)) keepSecret(`a signature ${what}`, signature as string);
  for (const [, json, ofJson, xml, ofXml] of text.matchAll(CREDENTIALS))
    keepSecret(`${json ?? xml} ${what}`, (ofJson ?? ofXml) as string);
}

/** Names of the secrets that `text` shows, with the form's first characters. */
export function findSecrets(text: string): string[] {
  const found = new Set<string>();
  for (let at = 0; at + WINDOW <= text.length; at += STRIDE) {
    for (const form of windows.get(text.slice(at, at + WINDOW)) ?? [])
      if (text.includes(form.text)) found.add(`${form.name} as ${JSON.stringify(form.text.slice(0, 6))}…`);
  }
  return [...found];
}
