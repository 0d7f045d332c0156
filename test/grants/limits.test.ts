// How long sessions may last: refused beyond a limit, never clamped.
import fc from 'fast-check';
import t from 'tap';
import type { Problem } from '../../src/errors.ts';
import { sessionSeconds } from '../../src/grants/limits.ts';

const ceilings = (grant: number, connection: number) => ({ grant, connection });

t.test('unasked, the lesser of an hour and the ceilings', async (t) => {
  t.equal(sessionSeconds(undefined, ceilings(43_200, 43_200)), 3600);
  t.equal(sessionSeconds(undefined, ceilings(1800, 43_200)), 1800);
  t.equal(sessionSeconds(undefined, ceilings(43_200, 900)), 900);
});

t.test('asked beyond a ceiling: a 403 that names the ceiling', async (t) => {
  t.equal(sessionSeconds(7200, ceilings(7200, 43_200)), 7200);
  t.throws(() => sessionSeconds(7201, ceilings(7200, 43_200)), {
    code: 'duration_exceeds_limit',
    message: /grant.*7200/,
    options: { extra: { limit_seconds: 7200 } },
  });
  t.throws(() => sessionSeconds(1801, ceilings(3600, 1800)), {
    code: 'duration_exceeds_limit',
    message: /connection.*1800/,
  });
});

t.test('outside what AWS takes: a 400', async (t) => {
  for (const asked of [899, 0, -1, 43_201, 900.5, Number.NaN, Number.POSITIVE_INFINITY, '3600' as unknown as number]) {
    t.throws(
      () => sessionSeconds(asked, ceilings(43_200, 43_200)),
      { code: 'duration_out_of_range', options: { hint: /\S/ } },
      String(asked),
    );
  }
  t.equal(sessionSeconds(900, ceilings(900, 900)), 900);
  t.equal(sessionSeconds(43_200, ceilings(43_200, 43_200)), 43_200);
});

t.test('never more than either ceiling, and never other than what was asked', async (t) => {
  const ceiling = fc.integer({ min: 900, max: 43_200 });
  fc.assert(
    fc.property(
      fc.option(fc.integer({ min: 0, max: 50_000 }), { nil: undefined }),
      ceiling,
      ceiling,
      (asked, grant, connection) => {
        try {
          const given = sessionSeconds(asked, { grant, connection });
          return given <= grant && given <= connection && (asked === undefined ? given <= 3600 : given === asked);
        } catch (error) {
          const { code } = error as Problem;
          return code === (asked! < 900 || asked! > 43_200 ? 'duration_out_of_range' : 'duration_exceeds_limit');
        }
      },
    ),
  );
  t.pass();
});
