// Text for people: alignment, colours only where they are wanted, and nothing that a terminal would obey.
import t from 'tap';
import { cell, clean, fields, json, paintFor, table } from '../../src/cli/text.ts';
import { cli, problem, startStandIn } from './stand-in.ts';

const plain = paintFor({ write: () => {} }, {});

t.test('colours: on a terminal, unless NO_COLOR or a dumb one', async (t) => {
  const terminal = { write: () => {}, isTTY: true };
  t.equal(paintFor(terminal, {})('red', 'x'), '\u001b[31mx\u001b[39m');
  t.equal(paintFor(terminal, { NO_COLOR: '1' })('red', 'x'), 'x');
  t.equal(paintFor(terminal, { TERM: 'dumb' })('red', 'x'), 'x');
  t.equal(plain('red', 'x'), 'x');
});

t.test('a table is as aligned with colours as without', async (t) => {
  const rows = [
    ['a', 'active', 1],
    ['longer', 'paused', null],
  ];
  t.equal(table(plain, ['NAME', 'STATE', 'N'], rows), 'NAME    STATE   N\na       active  1\nlonger  paused  -\n');
  const painted = table(paintFor({ write: () => {}, isTTY: true }, {}), ['NAME', 'STATE', 'N'], rows);
  t.match(painted, '\u001b[32mactive\u001b[39m');
  t.equal(painted.replaceAll(/\u001b\[\d+m/g, ''), 'NAME    STATE   N\na       active  1\nlonger  paused  -\n');
  t.equal(table(plain, ['NAME'], []), 'none\n');
});

t.test('cells and fields', async (t) => {
  t.equal(cell({ a: 1, b: [] }), 'a=1 b=-');
  t.equal(cell([]), '-');
  t.equal(cell(false), 'false');
  t.equal(
    fields(plain, [
      ['id', 'x'],
      ['longer', ['a', 'b']],
      ['none', null],
    ]),
    'id      x\nlonger  a b\n',
  );
});

t.test('what strangers wrote is shown, not obeyed', async (t) => {
  const nasty = 'a\u001b[2Jb\u009b1mc\u202ed\re\nf\u0007';
  t.equal(clean(nasty), 'a\\u001b[2Jb\\u009b1mc\\u202ed\\u000de\\u000af\\u0007');
  t.same(JSON.parse(json({ nasty })), { nasty });
  t.notMatch(json({ nasty }), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  const connection = {
    id: 'cn_x',
    reference: null,
    name: nasty,
    tenant: 'default',
    labels: { [nasty]: nasty },
    state: 'pending',
    state_reason: nasty,
    aws: {},
    issuer: {},
  };
  const { env } = await startStandIn(t, {
    'GET /v1/connections': { body: { items: [connection] } },
    'GET /v1/connections/cn_x': { body: connection },
    'GET /v1/whoami': problem(403, nasty, nasty, nasty),
  });
  for (const argv of [
    ['connection', 'list'],
    ['connection', 'show', 'cn_x'],
    ['connection', 'show', 'cn_x', '--json'],
    ['whoami'],
    ['whoami', '--json'],
  ]) {
    const { stdout, stderr } = await cli(argv, env);
    t.notMatch(stdout + stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/, argv.join(' '));
  }
});
