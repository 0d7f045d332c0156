// The line of time of a ring: every state where it belongs, and the next steps in a sentence.
import t from 'tap';
import { drawBrief, drawTimeline, nextSteps, type Ring, sentence } from '../../src/cli/key-timeline.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 26, 18);
const at = (days: number): string => new Date(NOW + days * DAY).toISOString();
const plain = (_format: unknown, text: string): string => text;

const RING: Ring = {
  ...{ id: 'platform:ES256', issuer: 'platform', algorithm: 'ES256', next_rotation_at: at(18) },
  keys: [
    {
      kid: 'gonegone',
      state: 'removed',
      published_at: at(-90),
      seasoned_at: at(-86),
      signs_from: at(-72),
      removed_at: at(-41.9),
    },
    { kid: 'standby1', state: 'standby', published_at: at(-1), seasoned_at: at(3) },
    {
      kid: 'verifies',
      state: 'verify_only',
      published_at: at(-72),
      seasoned_at: at(-68),
      signs_from: at(-42),
      removed_at: at(0.01),
    },
    { kid: 'active12', state: 'active', published_at: at(-42), seasoned_at: at(-38), signs_from: at(-12) },
    { kid: 'revoked1', state: 'revoked', published_at: at(-12), seasoned_at: at(-8), revoked_at: at(-1) },
  ],
};

t.test(
  'each key in its states, in the order in which they signed; one that left before the active signed is not shown',
  async (t) => {
    const lines = drawTimeline(RING, { paint: plain, now: NOW, width: 100 }).split('\n');
    const rows = lines.filter((line) => /^\w{8} /.test(line));
    t.match(rows, [
      /^verifies █+▒+┃ +verify_only$/,
      /^active12 ░+█+┃█+ +active$/,
      /^revoked1 +·+░+ +┃ +revoked$/,
      /^standby1 +·+┃·+░+█+ standby$/,
    ]);
    t.equal(rows.length, 4);
    t.equal(new Set(rows.map((row) => row.indexOf('┃'))).size, 1, 'now is in one column');
  },
);

t.test('the next steps, soonest first, in words', async (t) => {
  t.strictSame(
    nextSteps(RING, NOW).map(({ step, at: when, kid }) => [step, when, kid]),
    [
      ['leaves_jwks', at(0.01), 'verifies'],
      ['may_sign', at(3), 'standby1'],
      ['rotation', at(18), 'standby1'],
    ],
  );
  t.equal(
    sentence(RING, NOW),
    `Key verifies leaves the JWKS at ${at(0.01)}; the standby standby1 may sign from ${at(3)}; the next rotation is planned for ${at(18)}: standby1 then signs.`,
  );
  t.match(sentence({ ...RING, held_until: at(20), next_rotation_at: at(20) }, NOW), /rotations are on hold until/);
  t.match(sentence(RING, NOW + 19 * DAY), /a rotation is due since/);
  t.equal(sentence({ ...RING, keys: [] }, NOW), 'Nothing is planned for this ring.');
});

t.test('a ring in one short line, and rings of which there is little to say', async (t) => {
  t.match(drawBrief(RING, NOW), /^█+┃·+░+$/);
  t.equal([...drawBrief(RING, NOW)].length, 24);
  t.equal(drawBrief({ ...RING, keys: [] }, NOW), '');
  const { next_rotation_at: _, ...retired } = RING;
  t.equal(drawBrief(retired, NOW), '');
  for (const ring of [retired, { ...RING, keys: [] }])
    t.ok(drawTimeline(ring, { paint: plain, now: NOW, width: 80 }).endsWith('.\n'));
});

t.test('what a stranger may have put into a kid does nothing to the terminal', async (t) => {
  const [key] = RING.keys;
  const drawn = drawTimeline(
    { ...RING, keys: [{ ...key, kid: '\u001b[2Jxxxxx', state: 'standby' } as Ring['keys'][0]] },
    {
      ...{ paint: plain, now: NOW, width: 80 },
    },
  );
  t.notOk(drawn.includes('\u001b'));
});

t.test(
  'a standby that a published copy lacks: no time is said, and nothing is drawn until the year 9999',
  async (t) => {
    const keys = RING.keys.map((key) =>
      key.state === 'standby'
        ? { ...key, seasoned_at: '9999-12-31T00:00:00.000Z', not_published_to: 's3://documents' }
        : key,
    );
    const ring = { ...RING, keys };
    t.notOk(nextSteps(ring, NOW).some(({ step }) => step === 'may_sign'));
    t.match(
      sentence(ring, NOW),
      /^The standby standby1 is not yet published to s3:\/\/documents, and may not sign before;/,
    );
    t.match(drawTimeline(ring, { paint: plain, now: NOW, width: 100 }), / 2026-12-1\d /);
  },
);
