// Public documents: the snapshot that a start without a database serves, and the look at them from outside.
import { type Defence, provenBy } from './defence.ts';

const SNAPSHOT = 'test/keys/snapshot.test.ts';
const SELF_CHECK = 'test/issuers/self-check.test.ts';
const snapshot = 'src/snapshot.ts';
const files = 'src/keys/snapshot.ts';
const view = 'src/keys/view.ts';

export const documents: Defence[] = [
  ...provenBy(SNAPSHOT, 'one older than D is refused, and one that is served ends with D, by either clock', [
    {
      name: 'documents.snapshot-old',
      promise: 'a snapshot older than D is not served',
      file: snapshot,
      find: 'if (now - takenAt >= oldestServed)',
      replace: 'if (now < 0)',
    },
    {
      name: 'documents.snapshot-clock',
      promise: 'a wall clock that steps back makes no snapshot younger',
      file: view,
      find: 'Math.max(clock.wall(), restored.wall + passed)',
      replace: 'clock.wall() - 0 * passed',
    },
  ]),
  ...provenBy(SNAPSHOT, 'one dated after the wall clock is refused', [
    {
      name: 'documents.snapshot-future',
      promise: 'a snapshot dated after the wall clock is not served',
      file: snapshot,
      find: 'if (takenAt > now)',
      replace: 'if (now < 0)',
    },
    {
      name: 'documents.snapshot-future-served',
      promise: 'nor served on when the clock steps behind it',
      file: view,
      find: '!restored || clock.wall() < restored.takenAt',
      replace: '!restored',
    },
  ]),
  ...provenBy(SNAPSHOT, 'one of another issuer is refused', [
    {
      name: 'documents.snapshot-issuer',
      promise: 'a snapshot of another ISSUER_URL is not served',
      file: snapshot,
      find: 'if (issuerUrl !== ours)',
      replace: 'if (now < 0)',
    },
  ]),
  ...provenBy(SNAPSHOT, 'one that does not say how old it may be is refused', [
    {
      name: 'documents.snapshot-policy',
      promise: 'a snapshot without a key policy is not served',
      file: snapshot,
      find: 'if (versions.length === 0)',
      replace: 'if (now < 0)',
    },
  ]),
  ...provenBy(SNAPSHOT, 'one that is damaged, or that another key sealed, is refused', [
    {
      name: 'documents.snapshot-rings',
      promise: 'a snapshot with a damaged ring is not served',
      file: files,
      find: "if (hash.digest('hex') !== sha256)",
      replace: "if (sha256 === '')",
    },
    {
      name: 'documents.snapshot-seal',
      promise: 'who may write DATA_DIR may not publish keys by it',
      file: files,
      find: 'if (sealed?.equals(expected)) return true;',
      replace: 'if (sealed) return true;',
    },
  ]),
  ...provenBy(SNAPSHOT, 'nothing is signed by a snapshot, however young', [
    {
      name: 'documents.snapshot-signs',
      promise: 'nothing is signed by a snapshot',
      file: view,
      find: "if (!anchor || versions.length === 0) return 'the signing keys have not been read yet';",
      replace: 'if (!anchor) return undefined;',
    },
  ]),
  ...provenBy(
    'test/postgres/snapshot.test.ts',
    'documents are served until D, everything else waits, and a start by an older snapshot is none',
    [
      {
        name: 'documents.gate',
        promise: 'before the database has answered nothing but documents and health is served',
        file: 'src/http/server.ts',
        find: 'if (closed !== undefined && !request.routeOptions.config?.answersAlone)',
        replace: 'if (closed === "")',
        engine: 'postgresql',
      },
    ],
  ),
  ...provenBy(SELF_CHECK, 'no link is handed out to documents that a cloud cannot read', [
    {
      name: 'documents.link-reachable',
      promise: 'our documents are read through ISSUER_URL before a link is handed out',
      file: 'src/connections/onboarding.ts',
      find: 'if (found) await assertReachable?.(found.issuer);',
      replace: '',
    },
  ]),
  ...provenBy(
    SELF_CHECK,
    'another replica may serve an older set or a newer one; a key that was never ours is altered',
    [
      {
        name: 'documents.altered-kid',
        promise: 'a key that was never ours is found from outside',
        file: 'src/reach/documents.ts',
        find: 'if (findKey && !ours)',
        replace: 'if (findKey === undefined)',
      },
      {
        name: 'documents.altered-key',
        promise: 'another key under a kid of ours is found from outside',
        file: 'src/reach/documents.ts',
        find: '([member, value]) => key[member] !== value',
        replace: '() => false',
      },
    ],
  ),
  ...provenBy('test/reach/reach.test.ts', 'TLS faults have names, whatever the environment trusts', [
    {
      name: 'documents.public-roots',
      promise: 'the look from outside trusts public authorities alone',
      file: 'src/reach/stranger.ts',
      find: 'ca: [...trust], rejectUnauthorized: true',
      replace: 'ca: [...trust], rejectUnauthorized: false',
    },
  ]),
  ...provenBy(
    'test/issuers/routes.test.ts',
    'documents are neither limited nor logged, however many are asked for and whatever else that address did',
    [
      {
        name: 'documents.no-limit',
        promise: 'no limit on discovery and JWKS: AWS fails when it is limited',
        file: 'src/app.ts',
        find: 'registerIssuerRoutes(internal, deps.issuers, options.shared',
        replace:
          'limitStrangers(internal, deps.limits, isStranger);\n  registerIssuerRoutes(internal, deps.issuers, options.shared',
      },
      {
        name: 'documents.no-log',
        promise: 'no access-log line for discovery and JWKS',
        file: 'src/http/server.ts',
        find: 'disableRequestLogging: true',
        replace: 'disableRequestLogging: false',
        also: [
          {
            file: 'src/issuers/routes.ts',
            find: "logLevel: 'silent' as const",
            replace: "logLevel: 'info' as const",
          },
        ],
      },
    ],
  ),
];
