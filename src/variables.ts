// What an operator reads beside each variable: its group, its default, an example, and when it must be set.
import type { Static } from 'typebox';
import type { Config, Environment } from './config.ts';

export type VariableName = keyof Static<typeof Environment>;

export const GROUPS = [
  'Addresses',
  'Listeners',
  'Database',
  'Files and keys',
  'AWS',
  'Logs',
  'Traces',
  'Key policy',
] as const;

export interface Variable {
  group: (typeof GROUPS)[number];
  /** When it must be set; never, where this is left out. */
  required?: string;
  /** What holds without it, where that is one thing. */
  default?: string;
  example: string;
  /** What holds without it in a configuration that was read, where that follows from other variables. */
  effective?(config: Config): string | undefined;
}

const seconds = (ms: number): string => String(ms / 1000);

/** One for each variable of the schema: the compiler names the one that is missing. */
export const VARIABLES: Record<VariableName, Variable> = {
  ISSUER_URL: { group: 'Addresses', required: 'always', example: 'https://id.example.com' },
  HOST: { group: 'Addresses', default: '127.0.0.1', example: '0.0.0.0' },
  PORT: {
    group: 'Addresses',
    default: '8080, or that of a loopback `ISSUER_URL`',
    example: '8080',
    effective: ({ port }) => String(port),
  },
  INTERNAL_URL: {
    group: 'Addresses',
    required: '`ISSUER_URL` is not loopback',
    default: 'a loopback `ISSUER_URL`',
    example: 'https://countersign.internal.example.com',
    effective: ({ internalUrl }) => internalUrl,
  },
  INTERNAL_PORT: {
    group: 'Addresses',
    required: '`ISSUER_URL` is not loopback',
    default: '`PORT`, with a loopback `ISSUER_URL`',
    example: '8081',
    effective: ({ internalPort }) => String(internalPort),
  },
  ALLOWED_HOSTS: { group: 'Addresses', example: 'id.internal.example.com:8443' },
  TRUST_PROXY: { group: 'Listeners', default: 'nobody is believed', example: '10.0.3.0/24' },
  INTERNAL_TLS_CERT_FILE: {
    group: 'Listeners',
    required: '`INTERNAL_TLS_KEY_FILE` is set',
    default: 'plain http',
    example: '/etc/countersign/tls/tls.crt',
  },
  INTERNAL_TLS_KEY_FILE: {
    group: 'Listeners',
    required: '`INTERNAL_TLS_CERT_FILE` is set',
    example: '/etc/countersign/tls/tls.key',
  },
  PUBLIC_MAX_CONNECTIONS: { group: 'Listeners', default: '4096', example: '16384' },
  INTERNAL_MAX_CONNECTIONS: { group: 'Listeners', default: '4096', example: '16384' },
  MAX_CONNECTIONS_PER_ADDRESS: { group: 'Listeners', default: '1024', example: '4096' },
  RATE_LIMIT_PER_CLIENT: { group: 'Listeners', default: '1000', example: '5000' },
  RATE_LIMIT_FAILURES_PER_ADDRESS: { group: 'Listeners', default: '200', example: '1000' },
  DRAIN_SECONDS: {
    group: 'Listeners',
    default: '5, with a loopback issuer 0',
    example: '10',
    effective: ({ drainMs }) => seconds(drainMs),
  },
  EGRESS_ALLOW_CIDRS: { group: 'Listeners', default: 'the public internet alone', example: '10.0.3.0/24' },
  DATABASE_URL: {
    group: 'Database',
    default: 'an embedded database, for evaluation',
    example: 'postgres://countersign@db.internal.example.com/countersign',
  },
  DATABASE_CA_FILE: {
    group: 'Database',
    default: 'the public roots of Node',
    example: '/etc/countersign/database-ca.pem',
  },
  DATABASE_TLS: { group: 'Database', default: 'verify-full, or off to loopback and sockets', example: 'verify-full' },
  DATABASE_PASSWORD_FILE: { group: 'Database', example: '/run/secrets/database-password' },
  MIGRATE: { group: 'Database', default: 'auto', example: 'check' },
  MIGRATE_DATABASE_URL: {
    group: 'Database',
    default: '`DATABASE_URL`',
    example: 'postgres://countersign_owner@db.internal.example.com/countersign',
  },
  MIGRATE_DATABASE_PASSWORD_FILE: { group: 'Database', example: '/run/secrets/owner-password' },
  DATA_DIR: {
    group: 'Files and keys',
    default: '.data',
    example: '/var/lib/countersign',
    effective: ({ dataDir }) => dataDir,
  },
  KEYS_DIR: { group: 'Files and keys', default: 'keys', example: '/data' },
  KEY_ENCRYPTION_KEY_FILE: {
    group: 'Files and keys',
    required: '`ISSUER_URL` is not loopback or `DATABASE_URL` is set, and `KEY_ENCRYPTION_KEYS` names none',
    default: '<KEYS_DIR>/development.key',
    example: '/etc/countersign/kek',
    effective: ({ keks: [first] }) => (first && 'file' in first ? first.file : undefined),
  },
  KEY_ENCRYPTION_KEYS: {
    group: 'Files and keys',
    default: 'no further key',
    example: 'arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d-…',
  },
  SOCKET_PATH: {
    group: 'Files and keys',
    default: 'derived from DATA_DIR',
    example: '/run/countersign/api.sock',
    effective: ({ socketPath }) => socketPath,
  },
  TEMPLATE_URL: {
    group: 'AWS',
    default: 'no quick-create links',
    example: 'https://templates.s3.eu-central-1.amazonaws.com/countersign.yaml',
  },
  KMS_ENDPOINT_URL: { group: 'AWS', default: 'AWS KMS', example: 'http://127.0.0.1:4599' },
  STS_ENDPOINT_URL: { group: 'AWS', default: 'AWS STS', example: 'http://127.0.0.1:4566' },
  LOG_LEVEL: { group: 'Logs', default: 'info', example: 'warn' },
  OTEL_EXPORTER_OTLP_ENDPOINT: { group: 'Traces', default: 'nothing is traced', example: 'https://otel.example.com' },
  OTEL_EXPORTER_OTLP_HEADERS: { group: 'Traces', example: 'x-api-key=secret' },
  OTEL_TRACES_SAMPLER_ARG: { group: 'Traces', default: '1', example: '0.1' },
  KEY_POLICY_VERIFIER_CACHE_SECONDS: {
    group: 'Key policy',
    default: '86400, with a loopback issuer 5',
    example: '86400',
    effective: ({ keyPolicy }) => seconds(keyPolicy.verifierCache),
  },
  KEY_POLICY_OLDEST_SERVED_SECONDS: {
    group: 'Key policy',
    default: '259200, with a loopback issuer 5',
    example: '259200',
    effective: ({ keyPolicy }) => seconds(keyPolicy.oldestServed),
  },
  KEY_POLICY_OLDEST_SIGNED_SECONDS: {
    group: 'Key policy',
    default: '60, with a loopback issuer 5',
    example: '60',
    effective: ({ keyPolicy }) => seconds(keyPolicy.oldestSigned),
  },
  KEY_POLICY_CLOCK_ERROR_SECONDS: {
    group: 'Key policy',
    default: '2, with a loopback issuer 1',
    example: '2',
    effective: ({ keyPolicy }) => seconds(keyPolicy.clockError),
  },
  KEY_POLICY_PERIOD_SECONDS: {
    group: 'Key policy',
    default: '2592000, with a loopback issuer 180',
    example: '2592000',
    effective: ({ keyPolicy }) => seconds(keyPolicy.period),
  },
};
