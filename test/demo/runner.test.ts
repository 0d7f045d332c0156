// Steps: timed, shown, remembered; the first that fails ends the flow, with its name.
import t from 'tap';
import { Failure } from '../../src/cli/failure.ts';
import { expectRefusal } from '../../src/demo/expect.ts';
import { type Facts, outcomeLine, settle } from '../../src/demo/outcome.ts';
import { createRunner, type Runner } from '../../src/demo/runner.ts';
import { createScreen, wrap } from '../../src/demo/screen.ts';

const FACTS: Facts = { account_id: '111122223333', assumed_role_arn: 'arn:aws:sts::111122223333:assumed-role/r/s' };
const forever = new Promise<string>(() => {});

function setUp(terminal = false, env: NodeJS.ProcessEnv = {}) {
  let said = '';
  let now = 0;
  const screen = createScreen({ write: (text) => (said += text), isTTY: terminal, columns: 60 }, env);
  const runner = createRunner(screen, () => now);
  return { runner, said: () => said, pass: (ms: number) => (now += ms) };
}

t.test('a flow that holds', async (t) => {
  const { runner, said, pass } = setUp();
  const flow = async ({ step }: Runner): Promise<Facts> => {
    const doubled = await step('first', 'A first thing', (tell) => {
      tell('a fact');
      pass(1500);
      return 21 * 2;
    });
    await step('second', 'A second thing', () => t.equal(doubled, 42));
    return FACTS;
  };
  const outcome = await settle(runner, flow(runner), forever);
  t.same(JSON.parse(outcomeLine(outcome, runner.steps)), {
    ...{
      ok: true,
      steps: [
        { name: 'first', ms: 1500 },
        { name: 'second', ms: 0 },
      ],
    },
    ...FACTS,
  });
  t.equal(said(), '  - A first thing ✓ 1.5 s\n      a fact\n  - A second thing ✓ 0 ms\n');
});

t.test('a step that fails', async (t) => {
  const { runner, said } = setUp();
  let reached = false;
  const flow = async ({ step }: Runner): Promise<Facts> => {
    await step('first', 'A first thing', () => {});
    await step('second', 'A second thing', () =>
      Promise.reject(new Failure('sts_refused', 'AWS said no.', { status: 403, hint: 'Mend it.' })),
    );
    reached = true;
    return FACTS;
  };
  const outcome = await settle(runner, flow(runner), forever);
  t.match(outcome, { ok: false, exitCode: 1 });
  t.same(JSON.parse(outcomeLine(outcome, runner.steps)), {
    ...{ ok: false, steps: [{ name: 'first', ms: 0 }], failed: 'second', error: 'AWS said no. [sts_refused] Mend it.' },
  });
  t.notOk(reached);
  t.match(said(), /A second thing ✗ failed after 0 ms\n {6}AWS said no\. \[sts_refused\] Mend it\.\n$/);
});

t.test('somebody stops it: the step is named, and nothing more is run or shown', async (t) => {
  const { runner, said } = setUp();
  let release = (): void => {};
  const flow = runner
    .step('slow', 'A slow thing', () => new Promise<void>((resolve) => (release = resolve)))
    .then(() => runner.step('next', 'A next thing', () => t.fail('it ran')))
    .then(() => FACTS);
  const outcome = await settle(runner, flow, Promise.resolve('SIGINT'));
  t.match(outcome, { ok: false, failed: 'slow', error: 'interrupted by SIGINT', exitCode: 130 });
  const before = said();
  release();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(said(), before);
  t.same(runner.steps, []);
});

t.test('a terminal sees it turn, in colours unless it wants none', async (t) => {
  for (const [env, colours] of [
    [{}, true],
    [{ NO_COLOR: '1' }, false],
  ] as const) {
    const { runner, said } = setUp(true, env);
    await runner.step('first', 'A first thing', (tell) => tell('a fact'));
    t.match(said(), /\r\u001b\[K {2}\S*⠋/);
    t.equal(/\u001b\[\d+m/.test(said()), colours);
  }
  const dumb = setUp(true, { TERM: 'dumb' });
  await dumb.runner.step('first', 'A first thing', () => {});
  t.notMatch(dumb.said(), /\u001b|\r/);
});

t.test('what the service says cannot move the cursor', async (t) => {
  const { runner, said } = setUp();
  await runner.step('first', 'A first thing', (tell) => tell('name \u001b[2J'));
  t.match(said(), '\\u001b[2J');
});

t.test('a refusal must be the one that was expected', async (t) => {
  const refused = (status: number, code: string) => Promise.reject(new Failure(code, 'No.', { status, hint: 'Ask.' }));
  t.same(await expectRefusal(403, 'sts_refused', refused(403, 'sts_refused')), {
    status: 403,
    code: 'sts_refused',
    detail: 'No.',
    hint: 'Ask.',
  });
  await t.rejects(expectRefusal(403, 'sts_refused', Promise.resolve()), { message: /let through/ });
  await t.rejects(expectRefusal(403, 'sts_refused', refused(403, 'not_found')), { message: /403 not_found/ });
  await t.rejects(expectRefusal(403, 'sts_refused', refused(404, 'sts_refused')), { message: /404 sts_refused/ });
  await t.rejects(expectRefusal(403, 'sts_refused', Promise.reject(new TypeError('x'))), { message: 'x' });
});

t.test('long words stay whole, so that they can be copied', (t) => {
  t.same(wrap(`see ${'x'.repeat(30)} for more of it`, 12), ['see', 'x'.repeat(30), 'for more of', 'it']);
  t.end();
});
