// People who sign in by the real command: a company, a service that trusts it for that, and a laptop of somebody's own.
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Test } from 'tap';
import { type Federation, openFederation } from '../federation/world.ts';
import { run } from '../../src/cli/main.ts';
import { type Running, startCommand } from './command.ts';
import { COMMAND, type Company, startCompany } from './company.ts';
import { keepShown } from './known-secrets.ts';
import { browse, type Page, type PersonOptions } from './person.ts';
import { tempDir, type TestServiceOptions } from './service.ts';

export const SCOPES = ['openid', 'email', 'offline_access'];
const PATIENCE_MS = 60_000;

/** What `look` finds, looked for until then. @throws with what there was to see instead */
export async function seen<T>(look: () => T | undefined, tell: () => string): Promise<T> {
  for (const started = Date.now(); Date.now() - started < PATIENCE_MS; ) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`it was not seen within ${PATIENCE_MS / 1000} s:\n${tell()}`);
}

export interface Laptop {
  /** Of its owner's shell. */
  env: Record<string, string>;
  /** The folder where sign-ins are kept. */
  kept: string;
  /** What is kept of the only sign-in; undefined where there is none. */
  signIn(): Record<string, string> | undefined;
  /** What its browser was last asked to open: the arguments. */
  opened(): string[] | undefined;
  /** `countersign login …`, until the page is known; its person then signs in. */
  login(argv: string[], login: string, person?: LoginPerson): Promise<LoggedIn>;
}

interface LoginPerson extends PersonOptions {
  /** The command as a process of its own, not in this one. */
  apart?: true;
  /** The page that is opened instead of the one that the command names. */
  opens?(url: URL): URL;
}

interface LoggedIn {
  code: number;
  stdout: string;
  stderr: string;
  page: Page;
}

export interface SigningIn {
  company: Company;
  federation: Federation;
  /** Another laptop, where nobody is signed in yet. */
  laptop(): Laptop;
}

/** The command in this process: a login takes no second then. */
function startHere(argv: string[], env: Record<string, string>): Omit<Running, 'child'> {
  let [stdout, stderr] = ['', ''];
  const ended = run(argv, {
    ...{ env, now: Date.now, stopped: () => new Promise<void>(() => {}) },
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    stdout: { write: (text) => void (stdout += text) },
    stderr: { write: (text) => void (stderr += text) },
  }).then((code) => ({ code, signal: null }));
  return { stdout: () => stdout, stderr: () => stderr, ended };
}

const PAGE = /^ {2}(https?:\S+)$/gm;

function createLaptop(t: Test, url: string, company: Company): Laptop {
  const home = tempDir(t);
  const [bin, asked, kept] = [join(home, 'bin'), join(home, 'asked'), join(home, '.local/state/countersign')];
  mkdirSync(bin);
  // What desktops call their browser by: here it only says what it was asked.
  writeFileSync(join(bin, 'xdg-open'), `#!/bin/sh\nprintf '%s\\n' "$@" > '${asked}.x' && mv '${asked}.x' '${asked}'\n`);
  chmodSync(join(bin, 'xdg-open'), 0o755);
  const env = {
    ...{ PATH: `${bin}${delimiter}${process.env['PATH']}`, HOME: home, DISPLAY: ':9', COUNTERSIGN_URL: url },
    NODE_EXTRA_CA_CERTS: company.caFile,
  };
  const signIn = (): Record<string, string> | undefined => {
    const file = existsSync(kept) ? readdirSync(kept).find((name) => name.endsWith('.json')) : undefined;
    if (file === undefined) return undefined;
    const text = readFileSync(join(kept, file), 'utf8');
    keepShown('of a sign-in', text);
    return JSON.parse(text) as Record<string, string>;
  };
  const login: Laptop['login'] = async (argv, name, { opens, apart, ...person } = {}) => {
    const running = apart ? startCommand(t, ['login', ...argv], env) : startHere(['login', ...argv], env);
    let over = false;
    void running.ended.then(() => (over = true));
    const told = (): URL | undefined => {
      const last = [...running.stderr().matchAll(PAGE)].at(-1)?.[1];
      if (last === undefined && over) throw new Error(`it ended without a page:\n${running.stderr()}`);
      return last === undefined ? undefined : new URL(last);
    };
    const found = await seen(told, running.stderr);
    const page = await browse((opens?.(found) ?? found).href, name, person);
    const { code } = await running.ended;
    signIn();
    return { code: code ?? -1, stdout: running.stdout(), stderr: running.stderr(), page };
  };
  const opened = (): string[] | undefined =>
    existsSync(asked) ? readFileSync(asked, 'utf8').trimEnd().split('\n') : undefined;
  return { env, kept, signIn, opened, login };
}

export async function openSigningIn(t: Test, options: TestServiceOptions = {}): Promise<SigningIn> {
  const company = await startCompany(t);
  const federation = await openFederation(t, options);
  const login = { client_id: COMMAND, scopes: SCOPES };
  await federation.trust({ name: 'acme', kind: 'oidc', issuer: company.url, login });
  return { company, federation, laptop: () => createLaptop(t, federation.service.url, company) };
}
