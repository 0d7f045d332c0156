// Query strings whose form is right and whose meaning is not: days that there are not, cursors that no list gave out.
import t from 'tap';
import { parseTime } from '../../src/http/times.ts';
import { openWorld, send } from './operations.ts';

const encode = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url');

t.test('times', async (t) => {
  t.equal(parseTime('2026-01-31'), Date.UTC(2026, 0, 31), 'UTC, wherever the database is');
  t.equal(parseTime('2026-01-31T01:00:00+01:00'), Date.UTC(2026, 0, 31));
  t.equal(parseTime('2028-02-29T23:59:59.999999Z'), Date.UTC(2028, 1, 29, 23, 59, 59, 999));
  for (const none of [
    '2026-02-30',
    '2026-02-29T00:00:00Z',
    '2026-13-01',
    '2026-00-10',
    '2026-01-32',
    '0000-01-01',
    '0001-01-01T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '2026-01-01T25:00:00Z',
    '2026-01-01T00:00:00+99:99',
    '9999-12-31T23:59:59-12:00',
    '',
    'now',
  ]) {
    t.equal(parseTime(none), undefined, none);
  }
});

t.test('times and cursors of no list are refused, never a fault of ours', async (t) => {
  const { service } = await openWorld(t);
  const headers = { authorization: `Bearer ${await service.hostToken()}` };
  const ask = (path: string) => send(service.url, { method: 'GET', path, headers });
  for (const time of [
    '2026-02-30',
    '2026-02-30T00:00:00Z',
    '0000-01-01',
    '0001-01-01T00:00:00Z',
    '2026-01-01T23:59:60Z',
    '2026-01-01T00:00:00%2B99:99',
  ]) {
    for (const name of ['from', 'to'])
      t.match(
        await ask(`/v1/audit?${name}=${time}`),
        { status: 400, json: { code: 'invalid_request', hint: /\S/ } },
        `${name}=${time}`,
      );
  }
  for (const time of ['2026-01-01', '2026-01-01T00:00:00%2B23:59', '2026-01-01T00:00:00-16:00', '2026-01-01T24:00:00Z'])
    t.equal((await ask(`/v1/audit?from=${time}`)).status, 200, time);

  const odd = ['\u0000', '\ud800', ' ', '', 'é', 'x'.repeat(200)];
  for (const list of ['workloads', 'administrators', 'grants', 'connections', 'keys']) {
    for (const position of [...odd.map((part) => [part]), [], ['a', 'b'], [1], [null], {}, 'a', null]) {
      t.match(
        await ask(`/v1/${list}?cursor=${encode(position)}`),
        { status: 400, json: { code: 'invalid_cursor', hint: /\S/ } },
        `${list} ${JSON.stringify(position).slice(0, 30)}`,
      );
    }
  }
  const at = '2026-01-01T00:00:00.000000Z';
  const times = [
    '2026-02-30T00:00:00.000000Z',
    '+275760-09-13T00:00:00.000Z',
    '-000001-01-01T00:00:00Z',
    '0',
    '2026',
    'infinity',
    'now',
    '2026-01-01',
    '2026-01-01T00:00:00Z',
  ];
  for (const position of [
    ...times.map((time) => [time, 'st_x', '1']),
    ...odd.map((part) => [at, part, '1']),
    [at, 'st_x', '-1'],
    [at, 'st_x', '1e3'],
    [at, 'st_x', '9'.repeat(19)],
  ]) {
    t.match(
      await ask(`/v1/audit?cursor=${encode(position)}`),
      { status: 400, json: { code: 'invalid_cursor' } },
      `audit ${JSON.stringify(position).slice(0, 50)}`,
    );
  }
  t.equal((await ask(`/v1/audit?cursor=${encode([at, 'st_x', '1'])}`)).status, 200);
  const { json } = await ask('/v1/audit?limit=1');
  t.equal((await ask(`/v1/audit?limit=1&cursor=${json.next_cursor}`)).status, 200, 'what a list gives out is taken');
  t.same(
    service.logged.filter(({ level }) => (level as number) >= 50),
    [],
  );
});
