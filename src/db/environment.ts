// What the environment says of PostgreSQL: which server, as whom, how its certificate is verified, who migrates.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Type } from 'typebox';

const File = (description: string) => Type.Optional(Type.String({ minLength: 1, description }));
const PostgresUrl = (description: string) => Type.Optional(Type.String({ pattern: '^postgres(ql)?://', description }));

/** Parts of the one schema in config.ts. */
export const DATABASE_VARIABLES = {
  DATABASE_URL: PostgresUrl('a PostgreSQL 15 or later; an embedded database unless given'),
  DATABASE_CA_FILE: File(
    'root certificates (PEM) that the certificate of PostgreSQL must chain to, read again at each connect; those of Node unless given',
  ),
  DATABASE_TLS: Type.Optional(
    Type.Enum(['verify-full', 'off'], {
      description:
        'verify-full or off, for DATABASE_URL and MIGRATE_DATABASE_URL; verify-full unless the host is loopback or a socket. off sends everything in the clear',
    }),
  ),
  DATABASE_PASSWORD_FILE: File(
    'the password of DATABASE_URL, read again at each connect, so that a rotated one needs no restart',
  ),
  MIGRATE: Type.Optional(
    Type.Enum(['auto', 'check'], {
      description:
        'auto applies missing migrations at the start; check refuses to start while one is missing. auto unless given',
    }),
  ),
  MIGRATE_DATABASE_URL: PostgresUrl(
    'the same database as its owner, for migrations alone; DATABASE_URL unless given. With it, DATABASE_URL must not be the owner',
  ),
  MIGRATE_DATABASE_PASSWORD_FILE: File('the password of MIGRATE_DATABASE_URL, read again at each connect'),
};

export interface DatabaseVariables {
  DATABASE_URL?: string;
  DATABASE_CA_FILE?: string;
  DATABASE_TLS?: string;
  DATABASE_PASSWORD_FILE?: string;
  MIGRATE?: string;
  MIGRATE_DATABASE_URL?: string;
  MIGRATE_DATABASE_PASSWORD_FILE?: string;
}

/** One server and one role on it, as the driver is given them. */
export interface PostgresAddress {
  host: string;
  port: number;
  user: string | undefined;
  database: string | undefined;
  password: string | undefined;
  passwordFile: string | undefined;
  /** TLS with a verified certificate of this host, to these roots; undefined without TLS. */
  tls: { caFile: string | undefined } | undefined;
}

export interface DatabaseConfig {
  service: PostgresAddress;
  /** Who owns the tables, where that is somebody else. */
  owner: PostgresAddress | undefined;
  migrate: 'auto' | 'check';
}

/** Nothing leaves this machine on the way there. */
function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

const VERIFIED = new Set(['require', 'verify-ca', 'verify-full']);
const UNVERIFIED = new Set(['disable', 'allow', 'prefer', 'no-verify']);

/** From a URL alone; what is wrong with it is added to `problems`, without the URL, which may hold a password. */
export function readAddress(
  name: string,
  text: string,
  given: { tls?: string | undefined; caFile?: string | undefined; passwordFile?: string | undefined } = {},
  problems: string[] = [],
): PostgresAddress {
  // Without a host (`postgres:///name?host=/run/postgresql`) it is no special URL, but it is one.
  const url = URL.parse(text) ?? URL.parse(text.replace(/^(\w+:\/\/[^/@]*@)\//, '$1localhost/'));
  const params = url?.searchParams ?? new URLSearchParams();
  const decode = (value: string | undefined): string | undefined => {
    try {
      return value ? decodeURIComponent(value) : undefined;
    } catch {
      problems.push(`${name} has a % that encodes nothing: write %25 for it.`);
      return undefined;
    }
  };
  if (!url) problems.push(`${name} is not a URL: postgres://user@host:5432/database.`);
  for (const param of new Set(params.keys()))
    if (param !== 'sslmode' && param !== 'host')
      problems.push(
        param === 'sslrootcert'
          ? `${name}: sslrootcert is not read; name that file in DATABASE_CA_FILE.`
          : `${name}: the parameter ${param.slice(0, 40)} is not read; leave it out. Of parameters there are sslmode, and host for a socket's folder.`,
      );
  const host = params.get('host') ?? decode(url?.hostname.replace(/^\[(.+)\]$/, '$1')) ?? 'localhost';
  const sslmode = params.get('sslmode') ?? undefined;
  if (sslmode !== undefined && !VERIFIED.has(sslmode) && !UNVERIFIED.has(sslmode))
    problems.push(`${name}: sslmode is verify-full or, where DATABASE_TLS allows it, disable.`);
  if (sslmode !== undefined && UNVERIFIED.has(sslmode) && !isLocal(host) && given.tls !== 'off')
    problems.push(
      `${name}: sslmode=${sslmode} does not verify who answers at another host. Use verify-full, with DATABASE_CA_FILE where the certificate is not of a public authority; DATABASE_TLS=off says that the network itself is trusted.`,
    );
  const off = given.tls === 'off';
  if (off && sslmode !== undefined && VERIFIED.has(sslmode))
    problems.push(`${name}: sslmode=${sslmode} and DATABASE_TLS=off contradict one another: keep one.`);
  const asked = given.tls === 'verify-full' || given.caFile !== undefined || (sslmode && VERIFIED.has(sslmode));
  const verified = !off && !host.startsWith('/') && (asked || !isLocal(host));
  const password = decode(url?.password);
  if (password !== undefined && given.passwordFile !== undefined)
    problems.push(`${name} has a password, and there is a file with one as well: keep the file.`);
  return {
    ...{ host, port: Number(url?.port || 5432), user: decode(url?.username), password },
    database: decode(url?.pathname.slice(1)),
    passwordFile: given.passwordFile,
    tls: verified ? { caFile: given.caFile } : undefined,
  };
}

/** @throws Error which names the file alone. */
export function readPassword(file: string): string {
  let password: string;
  try {
    password = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code = 'it is no file' } = error as { code?: string };
    throw new Error(`the password file ${file} cannot be read (${code})`);
  }
  if (password === '') throw new Error(`the password file ${file} is empty`);
  return password;
}

/** @throws Error which names the file. */
export function readRoots(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
    new X509Certificate(text);
  } catch {
    throw new Error(`${file} holds no certificate in PEM that can be read`);
  }
  return text;
}

/** @returns undefined where the database is the embedded one. */
export function readDatabase(values: DatabaseVariables, problems: string[]): DatabaseConfig | undefined {
  const {
    DATABASE_CA_FILE: caFile,
    DATABASE_TLS: tls,
    DATABASE_PASSWORD_FILE: passwordFile,
    MIGRATE_DATABASE_PASSWORD_FILE: ownerPasswordFile,
  } = values;
  const attempt = (name: string, read: () => unknown): void => {
    try {
      read();
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}.`);
    }
  };
  if (caFile !== undefined) attempt('DATABASE_CA_FILE', () => readRoots(caFile));
  if (passwordFile !== undefined) attempt('DATABASE_PASSWORD_FILE', () => readPassword(passwordFile));
  if (ownerPasswordFile !== undefined) attempt('MIGRATE_DATABASE_PASSWORD_FILE', () => readPassword(ownerPasswordFile));
  if (caFile !== undefined && tls === 'off')
    problems.push('DATABASE_CA_FILE and DATABASE_TLS=off contradict one another: keep one.');
  if (values.MIGRATE_DATABASE_URL === undefined && ownerPasswordFile !== undefined)
    problems.push('MIGRATE_DATABASE_PASSWORD_FILE is set, and MIGRATE_DATABASE_URL is not: set both or neither.');
  if (values.DATABASE_URL === undefined) {
    for (const name of [
      ...['DATABASE_CA_FILE', 'DATABASE_TLS', 'DATABASE_PASSWORD_FILE', 'MIGRATE', 'MIGRATE_DATABASE_URL'],
    ] as const)
      if (values[name as keyof DatabaseVariables] !== undefined)
        problems.push(`${name} is for PostgreSQL, and DATABASE_URL is not set: set it, or leave ${name} out.`);
    return undefined;
  }
  const service = readAddress('DATABASE_URL', values.DATABASE_URL, { tls, caFile, passwordFile }, problems);
  const owner =
    values.MIGRATE_DATABASE_URL === undefined
      ? undefined
      : readAddress(
          'MIGRATE_DATABASE_URL',
          values.MIGRATE_DATABASE_URL,
          { tls, caFile, passwordFile: ownerPasswordFile },
          problems,
        );
  return { service, owner, migrate: values.MIGRATE === 'check' ? 'check' : 'auto' };
}
