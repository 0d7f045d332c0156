// Configuration from the environment: one schema, every problem at once, each by variable name with what to do.
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { Ajv } from 'ajv';
import { type Static, Type } from 'typebox';
import { DATABASE_VARIABLES, type DatabaseConfig, readDatabase } from './db/environment.ts';
import { type Bounds, BoundVariables, readBounds } from './http/bounds.ts';
import { DEFAULT_POLICY, type KeyPolicy, LOOPBACK_POLICY, unsoundLines } from './keys/policy.ts';
import { KEK_VARIABLES, type KekSource, readKekSources } from './keys/sources.ts';
import { EGRESS_VARIABLES, type EgressSettings, readEgress } from './reach/egress-settings.ts';
import { readTraceSettings, TRACE_VARIABLES, type TraceSettings } from './tracing/settings.ts';

const Url = (description: string, maxLength = 255) =>
  Type.String({ maxLength, pattern: '^https?://[A-Za-z0-9.:\\[\\]-]+/?$', description });
const Port = (description: string) => Type.String({ pattern: '^(0|[1-9][0-9]{0,4})$', description });
const Seconds = (description: string) => Type.String({ pattern: '^[1-9][0-9]{0,8}$', description });

/** Every variable, with what it is; an optional one says what holds without it. */
export const Environment = Type.Object({
  // IAM takes 255 characters of a provider's URL, and 32 of them are the path of a connection's issuer.
  ISSUER_URL: Url(
    'the URL that signs, as clouds see it: scheme and host, no path, at most 223 characters, e.g. https://id.example.com',
    223,
  ),
  HOST: Type.Optional(
    Type.String({ minLength: 1, description: 'the address that both listeners bind; 127.0.0.1 unless given' }),
  ),
  PORT: Type.Optional(Port('the port of the public listener; that of a loopback ISSUER_URL, else 8080')),
  INTERNAL_URL: Type.Optional(
    Url('the URL of the internal listener, as services see it; ISSUER_URL where that is loopback'),
  ),
  INTERNAL_PORT: Type.Optional(
    Port('the port of the internal listener; shared with PORT only where ISSUER_URL is loopback'),
  ),
  ALLOWED_HOSTS: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9.:\\[\\]-]+(,[A-Za-z0-9.:\\[\\]-]+)*$',
      description: 'further Host values to serve, separated by commas',
    }),
  ),
  ...BoundVariables,
  ...EGRESS_VARIABLES,
  ...DATABASE_VARIABLES,
  DATA_DIR: Type.Optional(
    Type.String({ minLength: 1, description: 'where this process keeps files; .data unless given' }),
  ),
  ...KEK_VARIABLES,
  TEMPLATE_URL: Type.Optional(
    Type.String({
      pattern: '^https?://',
      maxLength: 1024,
      description:
        'where the CloudFormation template was published (S3, https); without it there are no quick-create links',
    }),
  ),
  STS_ENDPOINT_URL: Type.Optional(
    Url('the sandbox instead of AWS STS; only with a loopback ISSUER_URL, and loopback itself'),
  ),
  KMS_ENDPOINT_URL: Type.Optional(
    Url('a stand-in instead of AWS KMS; only with a loopback ISSUER_URL, and loopback itself'),
  ),
  SOCKET_PATH: Type.Optional(
    Type.String({ minLength: 1, description: "the host's Unix socket; derived from DATA_DIR unless given" }),
  ),
  LOG_LEVEL: Type.Optional(
    Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      description: 'fatal, error, warn, info, debug, trace or silent; info unless given',
    }),
  ),
  ...TRACE_VARIABLES,
  KEY_POLICY_VERIFIER_CACHE_SECONDS: Type.Optional(
    Seconds('A of the key policy, a seed; 86400 (5 with a loopback issuer)'),
  ),
  KEY_POLICY_OLDEST_SERVED_SECONDS: Type.Optional(
    Seconds('D of the key policy, a seed; 259200 (5 with a loopback issuer)'),
  ),
  KEY_POLICY_OLDEST_SIGNED_SECONDS: Type.Optional(
    Seconds('R of the key policy, a seed; 60 (5 with a loopback issuer)'),
  ),
  KEY_POLICY_CLOCK_ERROR_SECONDS: Type.Optional(Seconds('e of the key policy, a seed; 2 (1 with a loopback issuer)')),
  KEY_POLICY_PERIOD_SECONDS: Type.Optional(
    Seconds('the period of the key policy, a seed; 2592000 (180 with a loopback issuer)'),
  ),
});

const check = new Ajv({ allErrors: true, validateSchema: false }).compile(Environment);

/** Those that hold secrets and may come by `<NAME>_FILE` instead. */
export const SECRETS = ['DATABASE_URL', 'MIGRATE_DATABASE_URL', 'OTEL_EXPORTER_OTLP_HEADERS'] as const;

export interface Config extends Bounds {
  issuerUrl: string;
  internalUrl: string;
  loopback: boolean;
  host: string;
  port: number;
  /** The same as `port` where the listeners are one. */
  internalPort: number;
  shared: boolean;
  publicHosts: ReadonlySet<string>;
  internalHosts: ReadonlySet<string>;
  /** PostgreSQL, or undefined for the embedded database. */
  database: DatabaseConfig | undefined;
  dataDir: string;
  /** At least one; the first wraps until the database says otherwise. */
  keks: readonly KekSource[];
  mayCreateKek: boolean;
  templateUrl: string | undefined;
  stsEndpointUrl: string | undefined;
  kmsEndpointUrl: string | undefined;
  socketPath: string;
  logLevel: string;
  egress: EgressSettings;
  /** Where spans are sent; undefined where nothing is traced. */
  traces: TraceSettings | undefined;
  keyPolicy: KeyPolicy;
}

export class ConfigError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((line) => `  ${line}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

type Variables = Static<typeof Environment>;
type Name = keyof Variables;

export function isLoopback(url: URL): boolean {
  return url.hostname === 'localhost' || url.hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(url.hostname);
}

const MAX_SOCKET_PATH = 103;

/** The real path of a folder that may not be there yet. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}

/** SOCKET_PATH, else a path of this user's that follows from DATA_DIR alone. */
export function socketPath(env: {
  SOCKET_PATH?: string | undefined;
  DATA_DIR?: string | undefined;
  XDG_RUNTIME_DIR?: string | undefined;
}): string {
  if (env.SOCKET_PATH) return resolve(env.SOCKET_PATH);
  const dataDir = realPath(resolve(env.DATA_DIR ?? '.data'));
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 8);
  const uid = process.getuid?.() ?? 0;
  return join(env.XDG_RUNTIME_DIR ?? tmpdir(), `countersign-${uid}`, `${name}.sock`);
}

function readVariables(env: NodeJS.ProcessEnv, problems: string[]): Partial<Variables> {
  const values: Record<string, string> = {};
  for (const name of Object.keys(Environment.properties)) {
    const value = env[name];
    if (value !== undefined && value !== '') values[name] = value;
  }
  for (const name of SECRETS) {
    const file = env[`${name}_FILE`];
    if (!file) continue;
    if (values[name] !== undefined) problems.push(`${name} and ${name}_FILE are both set: keep one.`);
    try {
      values[name] = readFileSync(file, 'utf8').trim();
    } catch {
      problems.push(`${name}_FILE: ${file} cannot be read; make it readable for this user.`);
    }
  }
  check(values);
  for (const { instancePath, params } of check.errors ?? []) {
    const missing = (params as { missingProperty?: string }).missingProperty;
    const name = missing ?? instancePath.slice(1);
    const { description } = Environment.properties[name as Name] as unknown as { description: string };
    problems.push(`${name} ${missing ? 'is missing' : 'is not valid'}: it is ${description}.`);
  }
  return values as Partial<Variables>;
}

function parseUrl(name: Name, value: string | undefined, problems: string[]): URL | undefined {
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  if (!url) {
    problems.push(`${name} is not a URL.`);
    return undefined;
  }
  if (url.protocol !== 'https:' && !isLoopback(url))
    problems.push(
      `${name} must be https unless its host is loopback (127.0.0.1, localhost): put TLS in front and name that URL.`,
    );
  return url;
}

function hostsOf(url: URL | undefined, further: string | undefined): Set<string> {
  const hosts = new Set((further?.split(',') ?? []).map((host) => host.toLowerCase()));
  if (!url) return hosts;
  hosts.add(url.host);
  // A Host header may carry the scheme's own port.
  if (url.port === '') hosts.add(`${url.hostname}:${url.protocol === 'https:' ? 443 : 80}`);
  return hosts;
}

function readPolicy(values: Partial<Variables>, loopback: boolean, problems: string[]): KeyPolicy {
  const base = loopback ? LOOPBACK_POLICY : DEFAULT_POLICY;
  const ms = (name: Name, fallback: number): number =>
    values[name] === undefined ? fallback : Number(values[name]) * 1000;
  const policy: KeyPolicy = {
    verifierCache: ms('KEY_POLICY_VERIFIER_CACHE_SECONDS', base.verifierCache),
    oldestServed: ms('KEY_POLICY_OLDEST_SERVED_SECONDS', base.oldestServed),
    oldestSigned: ms('KEY_POLICY_OLDEST_SIGNED_SECONDS', base.oldestSigned),
    clockError: ms('KEY_POLICY_CLOCK_ERROR_SECONDS', base.clockError),
    period: ms('KEY_POLICY_PERIOD_SECONDS', base.period),
  };
  if (problems.length === 0) problems.push(...unsoundLines(policy).map((line) => `KEY_POLICY_*: ${line}.`));
  return policy;
}

/**
 * Reads and checks the environment.
 * @throws ConfigError with every problem.
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const problems: string[] = [];
  const values = readVariables(env, problems);
  if (problems.some((line) => line.startsWith('ISSUER_URL '))) throw new ConfigError(problems);
  const issuer = parseUrl('ISSUER_URL', values.ISSUER_URL, problems);
  const loopback = issuer !== undefined && isLoopback(issuer);
  const internal = parseUrl('INTERNAL_URL', values.INTERNAL_URL, problems) ?? (loopback ? issuer : undefined);
  const sts = parseUrl('STS_ENDPOINT_URL', values.STS_ENDPOINT_URL, problems);
  const kms = parseUrl('KMS_ENDPOINT_URL', values.KMS_ENDPOINT_URL, problems);
  const port = Number(values.PORT ?? (loopback && issuer?.port ? issuer.port : 8080));
  const internalPort = values.INTERNAL_PORT === undefined ? port : Number(values.INTERNAL_PORT);
  if (!loopback && issuer?.port) problems.push('ISSUER_URL must not name a port: AWS refuses such an issuer.');
  if (!loopback && values.INTERNAL_URL === undefined)
    problems.push(
      'INTERNAL_URL is missing: the API and the token endpoint have a listener of their own, and this is its URL.',
    );
  if (!loopback && values.INTERNAL_PORT === undefined)
    problems.push(
      'INTERNAL_PORT is missing: the internal listener shares the public port only with a loopback ISSUER_URL.',
    );
  if (!loopback && values.INTERNAL_PORT !== undefined && internalPort === port)
    problems.push(
      'INTERNAL_PORT must differ from PORT: what is internal must not be reachable through the public listener.',
    );
  if (sts && !(loopback && isLoopback(sts)))
    problems.push(
      'STS_ENDPOINT_URL is for the sandbox: it and ISSUER_URL must both be loopback. Leave it out to use AWS.',
    );
  if (kms && !(loopback && isLoopback(kms)))
    problems.push(
      'KMS_ENDPOINT_URL is for a stand-in: it and ISSUER_URL must both be loopback. Leave it out to use AWS.',
    );
  if (port > 65535 || internalPort > 65535) problems.push('PORT and INTERNAL_PORT are at most 65535.');
  if (values.TEMPLATE_URL?.startsWith('http:') && !loopback)
    problems.push('TEMPLATE_URL must be https: AWS reads templates from S3 over https.');
  const socket = socketPath({ ...values, XDG_RUNTIME_DIR: env['XDG_RUNTIME_DIR'] });
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH)
    problems.push(
      `SOCKET_PATH: ${socket} is longer than ${MAX_SOCKET_PATH} bytes, the limit of Unix sockets; give a shorter one.`,
    );
  const database = readDatabase(values, problems);
  const keyPolicy = readPolicy(values, loopback, problems);
  const traces = readTraceSettings(values, isLoopback, problems);
  const keks = readKekSources(values, loopback, problems);
  const egress = readEgress(values, loopback, problems);
  const shared = loopback && internalPort === port;
  const bounds = readBounds(values, { shared, loopback, internalUrl: internal }, problems);
  if (problems.length > 0 || !issuer || !internal) throw new ConfigError(problems);
  const publicHosts = hostsOf(issuer, values.ALLOWED_HOSTS);
  const internalHosts = hostsOf(internal, values.ALLOWED_HOSTS);
  const both = new Set([...publicHosts, ...internalHosts]);
  return {
    ...{ issuerUrl: issuer.origin, internalUrl: internal.origin, loopback, shared, port, internalPort },
    ...{ keyPolicy, traces, egress },
    host: values.HOST ?? '127.0.0.1',
    publicHosts: shared ? both : publicHosts,
    internalHosts: shared ? both : internalHosts,
    ...bounds,
    database,
    dataDir: resolve(values.DATA_DIR ?? '.data'),
    keks,
    mayCreateKek: loopback && values.DATABASE_URL === undefined,
    templateUrl: values.TEMPLATE_URL,
    stsEndpointUrl: sts?.origin,
    kmsEndpointUrl: kms?.origin,
    socketPath: socket,
    logLevel: values.LOG_LEVEL ?? 'info',
  };
}
