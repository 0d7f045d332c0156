// How long production waits for STS where nobody says otherwise: what the documents promise, and what the parts need of one another.
import { mock } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { DEADLINE } from '../../src/cli/http.ts';
import { STS_DEADLINES } from '../../src/clouds/aws.ts';
import { createSessions } from '../../src/credentials/sessions.ts';
import { authorizedFor, createSteppedClock, MINUTE, obtainedOf } from './world.ts';

/** botocore's, for credentials of a container: https://github.com/boto/botocore, `ContainerMetadataFetcher.TIMEOUT_SECONDS`. */
const BOTOCORE_MS = 2000;
/** AWS waits so long for the issuer's documents before it answers. */
const AWS_READS_ISSUER_MS = 5000;

t.test('who holds a session that lives waits for its successor for one second', async (t) => {
  const clock = createSteppedClock();
  const sessions = createSessions({ clock });
  const obtain = (fetch: () => Promise<void>) =>
    sessions.obtain(authorizedFor('k'), async () => {
      await fetch();
      return obtainedOf('ex', 3600, clock);
    });
  await obtain(async () => {});
  clock.step(45 * MINUTE);
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  let answer = (): void => {};
  let given = false;
  const asked = obtain(() => new Promise((resolve) => (answer = resolve))).then(() => (given = true));
  await turn();
  mock.timers.tick(999);
  await turn();
  t.equal(given, false, 'its successor may come until then');
  mock.timers.tick(1);
  await turn();
  t.equal(given, true, 'docs/sts-faults.md: nobody waits for more than a second');
  answer();
  await Promise.all([asked, sessions.settled()]);
});

t.test('a call of STS is over in ten seconds, and each attempt is left what AWS needs', async (t) => {
  const { callMs, requestMs, connectMs } = STS_DEADLINES;
  t.same([callMs, requestMs, connectMs], [10_000, 7000, 2000], 'docs/architecture.md and docs/refusals.md say so');
  t.ok(requestMs >= AWS_READS_ISSUER_MS + 1000, 'AWS may read the issuer, and its answer come');
  t.ok(connectMs + requestMs < callMs, 'one attempt that hangs ends before the call, and may be followed by another');
  t.ok(
    callMs * 2 < DEADLINE,
    'the command and the agent hear what became of it, its records and a wait for its turn with it',
  );
  t.ok(connectMs <= BOTOCORE_MS, 'nor does a connection that is not made outlast the first who asks');
});
