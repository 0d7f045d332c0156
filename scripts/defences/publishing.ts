// Static publishing: seasoning by placement, and what the published copy is known not to hold.
import { type Defence, provenBy } from './defence.ts';

const PLACEMENTS = 'test/keys/placements.test.ts';
const API = 'test/publishing/api.test.ts';
const BUCKET = 'test/publishing/bucket.test.ts';
const DIRECTORY = 'test/publishing/directory.test.ts';
const record = 'src/publishing/record.ts';
const store = 'src/publishing/store.ts';
const pass = 'src/cli/publish/pass.ts';
const timeline = 'src/keys/timeline.ts';
const placements = 'src/keys/placements.ts';

export const publishing: Defence[] = [
  ...provenBy(
    'test/publishing/restored.test.ts',
    'the next pass puts the key that signs again into its document, once the rings are marked',
    [
      {
        name: 'publishing.restored-record',
        promise: 'after a restore the record of what was published is not believed',
        file: 'src/db/migrate.ts',
        find: 'update publishing_passes set verified_at = null where exists (select from marked)',
        replace: 'select count(*) from marked',
      },
    ],
  ),
  ...provenBy(PLACEMENTS, 'seasoned A + e after it was placed, and never before A + D + e after its publication', [
    {
      name: 'publishing.seasoning-placed',
      promise: 'where documents are published, a standby is seasoned A + e after it was put in place',
      file: timeline,
      find: 'return Math.max(published, key.placement.placedAt + policy.verifierCache + policy.clockError);',
      replace: 'return published;',
    },
    {
      name: 'publishing.seasoning-published',
      promise: 'a placed standby is not seasoned before A + D + e after its publication either',
      file: timeline,
      find: 'return Math.max(published, key.placement.placedAt + policy.verifierCache + policy.clockError);',
      replace: 'return key.placement.placedAt + policy.verifierCache + policy.clockError;',
    },
  ]),
  ...provenBy(
    PLACEMENTS,
    'a standby that was not placed does not sign, however old it is; A + e after it was, it does',
    [
      {
        name: 'publishing.unplaced',
        promise: 'a standby that a published copy lacks does not sign',
        file: placements,
        find: 'if (lacking) return { lackedBy: lacking.target };',
        replace: 'if (lacking) return undefined;',
      },
    ],
  ),
  ...provenBy(
    PLACEMENTS,
    'every target counts, by the last time that it was placed there, until publishing to it ends',
    [
      {
        name: 'publishing.placed-anew',
        promise: 'a key that was put in place anew is seasoned anew',
        ...{ file: placements, find: 'select max(p.placed_at)', replace: 'select min(p.placed_at)' },
      },
      {
        name: 'publishing.turned-off',
        promise: 'what was placed before publishing was turned off counts no more when it is turned on anew',
        file: placements,
        find: 'where p.target = t.id and p.kid = k.kid',
        replace: 'where p.kid = k.kid',
      },
    ],
  ),
  ...provenBy(
    PLACEMENTS,
    'a revocation says which published copies still hold the key, until they are recorded without it',
    [
      {
        name: 'publishing.without',
        promise: 'a revoked key counts as gone only when every published copy is on record without it',
        file: placements,
        find: 'return (await listTargetsWith(db, kid)).length === 0;',
        replace: 'return (await listTargetsWith(db, kid)).length <= 1;',
      },
    ],
  ),
  ...provenBy(API, 'turned on and off by somebody with a reason, once, on record', [
    {
      name: 'publishing.reason',
      promise: 'publishing is turned on by somebody with a reason',
      file: 'src/publishing/routes.ts',
      find: 'requireReason(request.caller, REASON);\n      return await createOnce',
      replace: 'return await createOnce',
    },
  ]),
  ...provenBy(API, 'one publisher at a time; one that was followed by another reports nothing', [
    {
      name: 'publishing.lease',
      promise: 'one publisher at a time has the lease of a target',
      ...{ file: record, find: 'if (!mine && row.leased_until', replace: 'if (row.epoch < 0 && row.leased_until' },
    },
    {
      name: 'publishing.lease-fence',
      promise: 'a publisher that was followed by another puts nothing on record',
      ...{ file: record, find: 'if (row.epoch !== epoch)', replace: 'if (row.epoch < epoch)' },
    },
  ]),
  ...provenBy(API, 'a key is placed once, and again where something else had stood there; only keys of that issuer', [
    {
      name: 'publishing.foreign-key',
      promise: 'no key is on record as placed in the documents of another issuer',
      ...{ file: store, find: 'r.id = k.ring and r.issuer = x.issuer', replace: 'r.id = k.ring' },
    },
  ]),
  ...provenBy(API, 'a revoked key is asked for first, until the copy is on record without it', [
    {
      name: 'publishing.withdrawn',
      promise: 'a copy that still holds a revoked key is not on record as being without it',
      ...{ file: store, find: 'k.kid <> all(${[...kids]}::text[])', replace: 'k.kid is not null' },
    },
  ]),
  ...provenBy(API, 'a pass starts where the one before it said: what changed since, by a change or by time', [
    {
      name: 'publishing.removed-by-time',
      promise: 'a key that leaves by time leaves the published copies, too',
      ...{ file: store, find: 'a.predecessor_removed_at <= ${time(now)}', replace: 'false' },
    },
    {
      name: 'publishing.restored',
      promise: 'after a restore of the database, everything is looked at',
      ...{ file: 'src/publishing/documents.ts', find: 'BigInt(since.horizon) > BigInt', replace: 'BigInt(0) > BigInt' },
    },
  ]),
  ...provenBy(BUCKET, 'a publisher that slept while another followed puts no old document over a newer one', [
    {
      name: 'publishing.conditional',
      promise: 'an object is written over the one that is known to stand there, or not at all',
      file: 'src/clouds/aws-s3.ts',
      find: "...(over === undefined ? { IfNoneMatch: '*' } : { IfMatch: over }),",
      replace: 'Metadata: { over: String(over) },',
      also: [{ file: pass, find: '  await requireComparison(', replace: '  void (' }],
    },
  ]),
  ...provenBy(BUCKET, 'a store that does not look at what it replaces is refused: no pass is complete', [
    {
      name: 'publishing.comparison',
      promise: 'a store that ignores conditions is found out',
      ...{ file: pass, find: '  await requireComparison(', replace: '  void (' },
    },
  ]),
  ...provenBy(BUCKET, 'a revoked key goes first, whatever else changed', [
    {
      name: 'publishing.revoked-first',
      promise: 'a revoked key leaves the published copies before anything else is written',
      ...{ file: pass, find: '    await placeRevoked();', replace: '    void placeRevoked;' },
    },
  ]),
  ...provenBy(BUCKET, 'objects as the service serves them, with their type and their age; only what changed', [
    {
      name: 'publishing.jwks-first',
      promise: 'whoever finds a published discovery document finds its JWKS',
      ...{
        file: pass,
        find: 'for (const one of item.documents) {',
        replace: 'for (const one of item.documents.toReversed()) {',
      },
    },
  ]),
  ...provenBy(BUCKET, 'keys travel to a store in the clear nowhere but on this machine', [
    {
      name: 'publishing.in-the-clear',
      promise: 'documents are written to a store over TLS',
      file: 'src/cli/publish/bucket.ts',
      find: "!(url.protocol === 'http:' && LOOPBACK.test(url.hostname))",
      replace: "!(url.protocol === 'http:' && LOOPBACK)",
    },
  ]),
  ...provenBy(DIRECTORY, 'what somebody else changed is seen, mended, and its keys season anew', [
    {
      name: 'publishing.anew',
      promise: 'keys of a document that somebody else had replaced season anew',
      file: pass,
      find: 'reports.push(await put(issuer, one, fresh.max_age, tag, true));',
      replace: 'reports.push(await put(issuer, one, fresh.max_age, tag, false));',
    },
    {
      name: 'publishing.as-left',
      promise: 'a copy that was emptied is seen at the next pass',
      ...{ file: 'src/cli/publish/run.ts', find: '!(await isAsLeft(deps))', replace: '!isAsLeft' },
    },
  ]),
  ...provenBy(DIRECTORY, 'one publisher at a time writes to a directory', [
    {
      name: 'publishing.directory-lock',
      promise: 'one publisher at a time writes to a directory',
      ...{
        file: 'src/cli/publish/directory.ts',
        find: 'if (release) return release;',
        replace: 'return release ?? (() => {});',
      },
    },
  ]),
  ...provenBy(DIRECTORY, 'nothing is written but documents, whatever the service names', [
    {
      name: 'publishing.path',
      promise: 'a publisher writes documents, and nothing else that it is told to',
      ...{
        file: 'src/cli/publish/target.ts',
        find: 'if (PATH.test(path)) return path;',
        replace: 'if (PATH) return path;',
      },
    },
  ]),
];
