// The view on disk: what a start without a database may serve, what it refuses, and that it signs nothing by it.
import { randomBytes } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { SYSTEM } from '../../src/audit/act.ts';
import { createLocalKek } from '../../src/keys/kek.ts';
import { createKeyring, type Keyring } from '../../src/keys/keyring/keyring.ts';
import { LOOPBACK_POLICY } from '../../src/keys/policy.ts';
import { rotateNow } from '../../src/keys/rotate.ts';
import { createSnapshotFiles } from '../../src/keys/snapshot.ts';
import { createRingView, type RingView } from '../../src/keys/view.ts';
import { createSnapshotWriter, restoreSnapshot } from '../../src/snapshot.ts';
import { createKeysFixture, type KeysFixture } from '../support/keys.ts';
import { tempDir } from '../support/service.ts';

const ISSUER_URL = 'https://id.example.com';
const D = LOOPBACK_POLICY.oldestServed;

interface Fixture extends KeysFixture {
  dir: string;
  /** A start without a database: its view, and what the log says. */
  start(options?: { keyring?: Keyring; issuerUrl?: string }): Promise<{
    restored: boolean;
    view: RingView;
    reason: string | undefined;
  }>;
  write(): Promise<void>;
}

/** A snapshot of a view that was read just now. */
async function createFixture(t: Test): Promise<Fixture> {
  const fixture = await createKeysFixture(t);
  const dir = join(tempDir(t), 'snapshot');
  const { clock, keyring } = fixture;
  const written = fixture.view();
  const common = { dir, issuerUrl: ISSUER_URL, clock };
  const write = createSnapshotWriter({ ...common, view: written, keyring });
  const noDatabase = new Proxy({} as never, {
    get: () => {
      throw new Error('there is no database');
    },
  });
  await written.refresh();
  await write();
  return {
    ...fixture,
    dir,
    write: async () => {
      await written.refresh();
      await write();
    },
    start: async ({ keyring: own = keyring, issuerUrl = ISSUER_URL } = {}) => {
      const view = createRingView({ db: noDatabase, clock, readClock: noDatabase });
      const lines: string[] = [];
      const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
      const restored = await restoreSnapshot({ ...common, issuerUrl, view, log, readKeyring: async () => own });
      return { restored: restored !== undefined, view, reason: lines[0] && JSON.parse(lines[0]).reason };
    },
  };
}

t.test('what was written is served as it was', async (t) => {
  const fixture = await createFixture(t);
  const { restored, view, reason } = await fixture.start();
  t.ok(restored, String(reason));
  t.ok(view.mayServe());
  const ours = fixture.view();
  await ours.refresh();
  t.same(view.find('platform'), ours.find('platform'));
  t.equal(view.policy().oldestServed, D);
  t.equal(statSync(join(fixture.dir, 'view.json')).mode & 0o777, 0o600);
});

t.test('nothing is signed by a snapshot, however young', async (t) => {
  const { start } = await createFixture(t);
  const { view } = await start();
  t.ok(view.mayServe());
  t.match(view.reasonNotToSign(), /have not been read yet/);
  t.throws(() => view.assertMaySign(), { code: 'unavailable' });
});

t.test('one older than D is refused, and one that is served ends with D, by either clock', async (t) => {
  const { start, clock } = await createFixture(t);
  clock.step(D - 1);
  const { restored, view } = await start();
  t.ok(restored);
  t.ok(view.mayServe());
  clock.step(1);
  t.notOk(view.mayServe(), 'D has passed while it was served');
  const late = await start();
  t.notOk(late.restored);
  t.match(late.reason, /it is 5 s old, and D of the key policy is 5 s/);

  clock.jump(-2);
  t.notOk(view.mayServe(), 'a wall clock that steps back makes nothing younger');
  const again = await start();
  t.ok(again.view.mayServe());
  clock.jump(2);
  t.notOk(again.view.mayServe(), 'one that steps forward makes it older');
});

t.test('one dated after the wall clock is refused', async (t) => {
  const { start, clock } = await createFixture(t);
  clock.jump(-1);
  const { restored, reason } = await start();
  t.notOk(restored);
  t.match(reason, /dated after/);
  clock.jump(1);
  const { view } = await start();
  clock.jump(-1);
  t.notOk(view.mayServe(), 'nor served on when the clock steps behind it');
});

t.test('one of another issuer is refused', async (t) => {
  const { start } = await createFixture(t);
  const { restored, reason } = await start({ issuerUrl: 'https://other.example.com' });
  t.notOk(restored);
  t.match(reason, /it is of https:\/\/id\.example\.com, and ISSUER_URL is https:\/\/other\.example\.com/);
});

t.test('one that does not say how old it may be is refused', async (t) => {
  const { start, dir, keyring, view, clock } = await createFixture(t);
  const ours = view();
  await ours.refresh();
  const files = createSnapshotFiles({ dir, issuerUrl: ISSUER_URL, keyring });
  const snapshot = ours.snapshot();
  t.ok(snapshot && snapshot.takenAt <= clock.wall());
  if (snapshot) await files.write({ ...snapshot, versions: [] });
  t.match(await start(), { restored: false, reason: /does not say how old/ });
});

t.test('one that is damaged, or that another key sealed, is refused', async (t) => {
  const { start, dir, write, clock, kek } = await createFixture(t);
  const rings = (): string => join(dir, readdirSync(dir).find((name) => name.startsWith('rings-')) as string);
  const refused = async (reason: RegExp, what: string): Promise<void> => {
    const { restored, reason: said } = await start();
    t.notOk(restored, what);
    t.match(said, reason, what);
  };
  const whole = { head: readFileSync(join(dir, 'view.json')), rings: readFileSync(rings()) };
  const mend = (): void => {
    writeFileSync(join(dir, 'view.json'), whole.head);
    writeFileSync(rings(), whole.rings);
  };
  const [other, further] = [createLocalKek(randomBytes(32)), createLocalKek(randomBytes(32))];
  t.match(await start({ keyring: createKeyring([other]) }), { restored: false, reason: /another key-encryption/ });
  t.match(
    await start({ keyring: createKeyring([other, further, kek]) }),
    { restored: true },
    'any of several opens it',
  );

  const flipped = Buffer.from(whole.rings);
  flipped.writeUInt8(flipped.readUInt8(20) ^ 1, 20);
  writeFileSync(rings(), flipped);
  await refused(/rings are damaged/, 'one bit of a ring');
  writeFileSync(rings(), whole.rings.subarray(0, -3));
  await refused(/rings are damaged/, 'cut short');
  mend();
  appendFileSync(rings(), 'is_x AAAA\n');
  await refused(/rings are damaged/, 'one ring more');
  mend();
  writeFileSync(join(dir, 'view.json'), whole.head.toString().replace(/"takenAt":\d+/, `"takenAt":${clock.wall()}`));
  t.ok((await start()).restored, 'the same date');
  writeFileSync(
    join(dir, 'view.json'),
    whole.head.toString().replace(/"takenAt":\d+/, `"takenAt":${clock.wall() - 1}`),
  );
  await refused(/it is damaged/, 'another date');
  for (const text of ['', '{', `{}\n\n`, `${'x'.repeat(100)}\n`]) {
    writeFileSync(join(dir, 'view.json'), text);
    await refused(/it is damaged/, JSON.stringify(text));
  }
  mend();
  rmSync(rings());
  await refused(/cannot be read/, 'rings gone');
  clock.step(D / 5);
  await write();
  t.ok((await start()).restored, 'and the next write mends it');
});

t.test(
  'it is written again when rings change, its date alone when they do not, and nothing is left over',
  async (t) => {
    const { dir, write, clock, deps, ringId, start } = await createFixture(t);
    const files = (): string[] => readdirSync(dir).sort();
    const first = files();
    t.equal(first.length, 2, String(first));
    await write();
    t.same(files(), first, 'not yet time');
    clock.step(D / 2);
    const before = readFileSync(join(dir, 'view.json'), 'utf8');
    await write();
    t.same(files(), first, 'the same rings');
    t.not(readFileSync(join(dir, 'view.json'), 'utf8'), before, 'another date');

    const { kid } = await rotateNow(deps, ringId, SYSTEM);
    writeFileSync(join(dir, 'rings-of-a-writer-that-was-killed'), 'x');
    clock.step(D / 2);
    await write();
    t.equal(files().length, 2);
    t.not(files()[0], first[0]);
    const { view } = await start();
    t.equal(view.find('platform')?.[0]?.keys.find((key) => key.seq === 1)?.kid, kid);
  },
);
