// What is kept: private halves at rest, the key-encryption key, the embedded directory, the socket, the log.
import { type Defence, provenBy } from './defence.ts';

const ENCRYPT = 'test/keys/encrypt.test.ts';
const SECRETS = 'test/secrets.test.ts';
const MAIN = 'test/main.test.ts';
const CONFIG = 'test/config.test.ts';
const encrypt = 'src/keys/encrypt.ts';
const kek = 'src/keys/kek.ts';
const load = 'src/keys/keyring/load.ts';
const config = 'src/config.ts';
const PLACE = 'place.table, place.kid, place.ring, place.algorithm, place.purpose]';

export const data: Defence[] = [
  ...provenBy(ENCRYPT, 'a ciphertext opens at its own place alone', [
    {
      name: 'data.place-kid',
      promise: 'a ciphertext moved to another row does not open (kid)',
      file: encrypt,
      find: PLACE,
      replace: 'place.table, place.ring, place.algorithm, place.purpose]',
    },
    {
      name: 'data.place-ring',
      promise: 'a ciphertext moved to another row does not open (ring)',
      file: encrypt,
      find: PLACE,
      replace: 'place.table, place.kid, place.algorithm, place.purpose]',
    },
    {
      name: 'data.place-algorithm',
      promise: 'a ciphertext moved to another row does not open (algorithm)',
      file: encrypt,
      find: PLACE,
      replace: 'place.table, place.kid, place.ring, place.purpose]',
    },
    {
      name: 'data.place-purpose',
      promise: 'a ciphertext moved to another row does not open (purpose)',
      file: encrypt,
      find: PLACE,
      replace: 'place.table, place.kid, place.ring, place.algorithm]',
    },
    {
      name: 'data.place-lengths',
      promise: 'the additional data is length-prefixed',
      file: encrypt,
      find: 'return [length, value];',
      replace: 'return [value];',
    },
    {
      name: 'data.bound',
      promise: 'the additional data binds ciphertext to its place',
      file: encrypt,
      find: 'cipher.setAAD(context);',
      occurrence: 0,
      replace: 'cipher.setAAD(Buffer.alloc(0));',
      also: [{ file: encrypt, find: 'decipher.setAAD(context);', replace: 'decipher.setAAD(Buffer.alloc(0));' }],
    },
  ]),
  ...provenBy(ENCRYPT, 'a row moved to another key does not sign', [
    {
      name: 'data.moved',
      promise: 'a moved row does not sign, whatever opened it',
      file: encrypt,
      find: PLACE,
      replace: 'place.table, place.ring, place.algorithm, place.purpose]',
      also: [{ file: 'src/keys/signer.ts', find: '!== kid', replace: '=== undefined' }],
    },
  ]),
  ...provenBy(ENCRYPT, 'no private half is in the database in clear', [
    {
      name: 'data.encrypted',
      promise: 'a stolen database opens nothing without the KEK',
      file: 'src/keys/rings.ts',
      find: 'await encrypt(kek, pkcs8, placeOf(kid, ring))',
      replace: 'Buffer.from((void [encrypt, placeOf], pkcs8))',
    },
  ]),
  ...provenBy(ENCRYPT, 'a KEK is made only where nothing can be lost, and a wrong or missing one stops the start', [
    {
      name: 'data.kek-wrong',
      promise: 'a wrong KEK stops the start',
      file: load,
      find: 'if (foreign.length > 0)',
      replace: 'if (false)',
    },
    {
      name: 'data.kek-missing',
      promise: 'a new KEK is never made over existing rows',
      file: load,
      find: 'if (needed.length > 0)',
      replace: 'if (false)',
    },
    {
      name: 'data.kek-made',
      promise: 'a KEK is made only for development',
      file: load,
      find: 'if (!mayCreate || !isFirst)',
      replace: 'if (false)',
    },
    {
      name: 'data.kek-exposed',
      promise: 'a KEK that everybody can read is refused',
      file: kek,
      find: '(mode & 0o007) !== 0',
      replace: 'false',
    },
    {
      name: 'data.kek-mode',
      promise: 'a KEK is its owner’s alone',
      file: kek,
      find: "openFile(file, 'wx', 0o600)",
      replace: "openFile(file, 'wx', 0o640)",
    },
    {
      name: 'data.kek-malformed',
      promise: 'a KEK is 32 bytes',
      file: kek,
      find: "key.length !== 32 || key.toString('base64') !== text.trim()",
      replace: 'false',
    },
  ]),
  ...provenBy(CONFIG, 'production and development', [
    {
      name: 'data.kek-beside-postgres',
      promise: 'no KEK is made beside a shared database',
      file: config,
      find: 'loopback && values.DATABASE_URL === undefined',
      replace: 'loopback',
    },
    {
      name: 'data.hosts-apart',
      promise: 'a name of the internal listener is foreign to the public one',
      file: config,
      find: 'publicHosts: shared ? both : publicHosts',
      replace: 'publicHosts: both',
    },
  ]),
  ...provenBy(CONFIG, 'every problem, by name', [
    {
      name: 'data.https',
      promise: 'both URLs are https unless loopback',
      file: config,
      find: "url.protocol !== 'https:' && !isLoopback(url)",
      replace: 'false',
    },
    {
      name: 'data.sandbox-in-production',
      promise: 'the sandbox is for a loopback issuer alone',
      file: config,
      find: 'sts && !(loopback && isLoopback(sts))',
      replace: 'false',
    },
    {
      name: 'data.listeners-apart',
      promise: 'what is internal is not on the public port',
      file: config,
      find: 'internalPort === port) problems',
      replace: 'internalPort === -1) problems',
    },
    {
      name: 'data.policy-arithmetic',
      promise: 'a policy that breaks the arithmetic starts nothing',
      file: config,
      find: 'problems.push(...unsoundLines(policy)',
      replace: 'problems.push(...unsoundLines(DEFAULT_POLICY)',
    },
  ]),
  ...provenBy(
    'test/db/migrate.test.ts',
    'rings of a backup from a cluster that counted further are changed once, and no others',
    [
      {
        name: 'data.restored-rings',
        promise: 'after a restore a refresh reads what changed, not every ring for ever',
        file: 'src/db/migrate.ts',
        find: '  await markRestoredRings(database);\n',
        replace: '',
      },
    ],
  ),
  ...provenBy('test/db/migrate.test.ts', 'the embedded directory is one process, and is free again when it closes', [
    {
      name: 'data.embedded-lock',
      promise: 'a second process on the embedded directory is refused',
      file: 'src/db/lock.ts',
      find: "lock.exec('begin exclusive');",
      replace: '',
    },
  ]),
  ...provenBy(MAIN, 'starts, answers, and ends on SIGTERM with its data whole', [
    {
      name: 'data.issuer-url',
      promise: 'another ISSUER_URL than connections trust is refused',
      file: 'src/issuers/store.ts',
      find: 'if (trusting)',
      replace: 'if (false)',
    },
    {
      name: 'data.socket-mode',
      promise: 'the socket is 0600',
      file: 'src/oauth/host-socket.ts',
      find: 'await chmod(path, 0o600);',
      replace: 'await chmod(path, 0o660);',
    },
    {
      name: 'data.socket-folder-mode',
      promise: 'its folder is 0700',
      file: 'src/oauth/host-socket.ts',
      find: 'await mkdir(folder, { recursive: true, mode: 0o700 });',
      replace: 'await mkdir(folder, { recursive: true, mode: 0o755 });',
      also: [{ file: 'src/oauth/host-socket.ts', find: '(found.mode & 0o077) !== 0', replace: 'false' }],
    },
  ]),
  ...provenBy(MAIN, 'a folder for the socket that others can write to is refused', [
    {
      name: 'data.socket-folder',
      promise: 'a folder that others can write to is refused',
      file: 'src/oauth/host-socket.ts',
      find: '(found.mode & 0o077) !== 0',
      replace: 'false',
    },
  ]),
  ...provenBy(SECRETS, 'what carries a secret by its name is not logged', [
    {
      name: 'data.redaction',
      promise: 'the log holds no secret',
      file: 'src/main.ts',
      find: 'paths: REDACTED.flatMap(',
      replace: 'paths: REDACTED.slice(0, 0).flatMap(',
    },
  ]),
  ...provenBy(SECRETS, 'no secret is in the log, the audit or any table', [
    {
      name: 'data.audit-canary',
      promise: 'the audit holds no token',
      file: 'src/credentials/exchange.ts',
      find: 'kid: draft.kid, jti: draft.jti, token_jti',
      replace: 'kid: draft.kid, jti: await signing, token_jti',
    },
    {
      name: 'data.outcome-canary',
      promise: 'the audit holds no session credentials',
      file: 'src/credentials/exchange.ts',
      find: 'access_key_id: session.accessKeyId,',
      replace: 'access_key_id: session.secretAccessKey,',
    },
    {
      name: 'data.assertion-canary',
      promise: 'replay is keyed on jti, never on the string',
      file: 'src/oauth/own-key.ts',
      find: 'replay: { issuer: clientId, jti,',
      replace: 'replay: { issuer: clientId, jti: token,',
    },
    {
      name: 'data.log-canary',
      promise: 'a request is never logged whole',
      file: 'src/http/problems.ts',
      find: 'const problem = toProblem(error);',
      occurrence: 0,
      replace:
        'const problem = toProblem(error);\n  request.log.debug({ url: request.url, sent: request.raw.rawHeaders });',
    },
    {
      name: 'data.span-canary',
      promise: 'a span holds no token',
      file: 'src/http/traced.ts',
      find: "'countersign.request_id': request.id,",
      replace: "'countersign.request_id': request.headers.authorization ?? request.id,",
    },
    {
      name: 'data.collector-canary',
      promise: 'what a collector is shown is a secret, and the command does not print it',
      file: 'src/config.ts',
      find: "'DATABASE_URL', 'MIGRATE_DATABASE_URL', 'OTEL_EXPORTER_OTLP_HEADERS'",
      replace: "'DATABASE_URL', 'MIGRATE_DATABASE_URL'",
    },
    {
      name: 'data.answer-canary',
      promise: 'an answer that is kept for Idempotency-Key holds no token',
      file: 'src/http/idempotency.ts',
      find: 'const body = JSON.stringify(done.result)',
      replace: 'const body = JSON.stringify({ ...(done.result as object), asked: request.headers.authorization })',
    },
    {
      name: 'data.database-canary',
      promise: 'a stolen database opens nothing without the KEK',
      file: 'src/keys/rings.ts',
      find: 'return { kid, public: bytes, kek: kek.id, envelope };',
      replace:
        "return { kid, public: Buffer.concat([bytes, Buffer.from(privateKey.export({ format: 'jwk' }).d as string, 'base64url')]), kek: kek.id, envelope };",
    },
  ]),
];
