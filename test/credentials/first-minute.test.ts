// A role that AWS does not know everywhere yet: its denials are asked again in the connection's first minute, and remembered after.
import { sql } from 'kysely';
import t from 'tap';
import { openGranted } from './granted.ts';

t.test('what AWS denies of a stack that was made just now is asked again, and not remembered', async (t) => {
  const { sandbox, service, id, workload, path, token } = await openGranted(t);
  const ask = (query = '') => service.call('GET', `${path}${query}`, undefined, { token });
  const exchanges = async () =>
    (await service.call('GET', `/v1/audit?kind=exchange.intent&workload=${workload.id}`)).body.items.length;
  /** As of another part of AWS than the one that answered the verification. */
  const isKnown = (known: boolean) => void (sandbox.options.consistencyDelayMs = known ? 0 : 600_000);
  const denied = { status: 403, body: { code: 'sts_refused', aws_code: 'AccessDenied' } };
  // However long the steps before took on a busy machine.
  const since = (ago: string) =>
    sql`update connections set state_since = now() - ${ago}::interval where id = ${id}`.execute(service.database.db);

  await since('0 s');
  isKnown(false);
  t.match(await ask(), denied);
  t.match(await ask(), denied);
  t.equal(await exchanges(), 2, 'AWS was asked each time');
  isKnown(true);
  t.equal((await ask()).status, 200, 'and at once gives what it knows now');

  await since('2 minutes');
  isKnown(false);
  const before = await exchanges();
  t.match(await ask('?duration_seconds=1800'), denied);
  isKnown(true);
  t.match(await ask('?duration_seconds=1800'), denied, 'later it is an answer, and is remembered');
  t.equal(await exchanges(), before + 1);
});
