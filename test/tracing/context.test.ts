// traceparent by the letter of the recommendation: what is malformed is as if nothing had come.
import t from 'tap';
import { createChild, currentTrace, formatTraceparent, parseTraceparent, runInTrace } from '../../src/trace.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const GOOD = `00-${TRACE}-${SPAN}-01`;

t.test('what is well-formed is taken', async (t) => {
  const taken = { traceId: TRACE, spanId: SPAN, sampled: true };
  t.same(parseTraceparent(GOOD), taken);
  t.same(parseTraceparent(`00-${TRACE}-${SPAN}-00`), { ...taken, sampled: false });
  t.same(parseTraceparent(`00-${TRACE}-${SPAN}-03`), taken, 'flags beyond the first are passed over');
  t.same(parseTraceparent(`00-${TRACE}-${SPAN}-fe`), { ...taken, sampled: false });
  t.same(parseTraceparent(`cc-${TRACE}-${SPAN}-01`), taken, 'a version that is not known');
  t.same(parseTraceparent(`cc-${TRACE}-${SPAN}-01-what-may-come`), taken);
  t.equal(formatTraceparent(taken), GOOD);
});

t.test('what is not is nothing', async (t) => {
  const malformed: [string, unknown][] = [
    ['nothing', undefined],
    ['empty', ''],
    ['several, joined', `${GOOD}, ${GOOD}`],
    ['as a list', [GOOD]],
    ['upper case', GOOD.toUpperCase()],
    ['version ff', `ff-${TRACE}-${SPAN}-01`],
    ['version of one digit', `0-${TRACE}-${SPAN}-01`],
    ['trace id of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['parent id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['trace id too short', `00-${TRACE.slice(1)}-${SPAN}-01`],
    ['trace id too long', `00-a${TRACE}-${SPAN}-01`],
    ['no hexadecimal', `00-${TRACE.replace('4', 'g')}-${SPAN}-01`],
    ['no flags', `00-${TRACE}-${SPAN}`],
    ['flags of one digit', `00-${TRACE}-${SPAN}-1`],
    ['more than version 00 has', `${GOOD}-more`],
    ['a dot', `${GOOD}.`],
    ['a later version that goes on without a hyphen', `cc-${TRACE}-${SPAN}-01.more`],
    ['blanks around it', ` ${GOOD} `],
    ['a line break', `${GOOD}\n`],
    ['endless', `cc-${TRACE}-${SPAN}-01-${'x'.repeat(10_000)}`],
  ];
  for (const [name, header] of malformed) t.equal(parseTraceparent(header), undefined, name);
});

t.test('a request has its own place in the trace, and it follows what the request awaits', async (t) => {
  const parent = parseTraceparent(GOOD);
  if (!parent) throw new Error('not taken');
  const child = createChild(parent);
  t.equal(child.traceId, TRACE);
  t.not(child.spanId, SPAN);
  t.same(parseTraceparent(formatTraceparent(child)), child);
  t.equal(currentTrace(), undefined);
  await runInTrace(child, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    t.equal(currentTrace(), child);
  });
  t.equal(currentTrace(), undefined);
});
