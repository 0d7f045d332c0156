// What the agent makes of answers that are none of the service's decisions: a proxy's, and those to a token that has ended.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Refusal } from '../../src/agent/refusal.ts';
import { readAnswer } from '../../src/cli/answer.ts';
import { systemClock } from '../../src/clock.ts';
import { createCall } from '../../src/cli/call.ts';
import { createAskService, toRefusal } from '../../src/cli/handed.ts';
import type { Outside } from '../../src/cli/outside.ts';
import { problem, startStandIn } from '../cli/stand-in.ts';
import { createWorld, MINUTE, pass, SECOND, session } from './world.ts';

const ACME = { connection: 'acme' };

t.test('what a proxy answers in place of the service decides nothing: what lives is given', async (t) => {
  const rest = { contentType: 'text/html', requestId: undefined, date: undefined, retryAfter: undefined };
  const proxy = (status: number, text: string) => async () => {
    try {
      return readAnswer({ ...rest, status, text }) as never;
    } catch (error) {
      throw toRefusal(error);
    }
  };
  for (const answer of [
    proxy(404, '<html>404 Not Found</html>'),
    proxy(403, '{"message":"Forbidden"}'),
    proxy(404, '{"status":404,"error":"Not Found"}'),
    proxy(403, '{"error":"forbidden"}'),
    proxy(401, '{"error":"unauthorized"}'),
    proxy(403, '{"code":"forbidden","detail":"no route","type":"about:blank"}'),
    proxy(400, '{"error":"invalid_client","error_description":"of the token endpoint alone"}'),
    proxy(407, ''),
  ]) {
    const world = createWorld({ holdMs: SECOND });
    await world.sessions.obtain(ACME);
    world.answer = answer;
    for (let minute = 0; minute < 40; minute++) {
      await world.step(MINUTE);
      world.sessions.look();
    }
    const given = world.sessions.obtain(ACME);
    await world.step(SECOND);
    t.equal((await given).AccessKeyId, 'K1');
    const cold = t.rejects(world.sessions.obtain({ connection: 'cold' }), { code: 'unexpected_answer', status: 503 });
    await world.step(2 * SECOND);
    await cold;
  }
});

t.test('at the token endpoint, too; what that itself says is a decision', async (t) => {
  const ask = async (status: number, body: object): Promise<unknown> => {
    const { env } = await startStandIn(t, {}, { refuseToken: { status, body } });
    const outside = { env, now: Date.now, sleep: async () => {} } as unknown as Outside;
    return await createAskService(createCall([], {}, outside, false))(ACME).catch((error: unknown) => error);
  };
  for (const [status, error] of [
    [403, 'forbidden'],
    [401, 'unauthorized'],
    [401, 'invalid_client'],
  ] as const)
    t.match(await ask(status, { error }), { code: 'unexpected_answer', options: { status: undefined } }, error);
  const described = { error: 'unauthorized', error_description: 'Full authentication is required.' };
  t.match(await ask(401, described), { code: 'unexpected_answer' });
  const own = { error: 'invalid_client', error_description: 'client authentication failed' };
  t.match(await ask(401, own), { code: 'invalid_client', options: { status: 401 } });
  t.match(await ask(503, { ...own, error: 'temporarily_unavailable', code: 'sealed' }), { code: 'sealed' });
  t.match(await ask(421, problem(421, 'misdirected_request', 'Another Host.').body as object), {
    code: 'misdirected_request',
  });
});

t.test('a success without a session in it is none: nothing of it is handed on', async (t) => {
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = session(systemClock, 3600);
  const whole = { AccessKeyId, SecretAccessKey, Token, Expiration };
  for (const body of [
    {},
    [],
    'ok',
    { ...whole, Token: '' },
    { ...whole, SecretAccessKey: 7 },
    { ...whole, Expiration: 'soon' },
    { ...whole, Expiration: 1_900_000_000 },
  ]) {
    const { env } = await startStandIn(t, { 'POST /v1/connections/acme/credentials': { body } });
    const outside = { env, now: Date.now, sleep: async () => {} } as unknown as Outside;
    const ask = createAskService(createCall([], {}, outside, false));
    await t.rejects(ask(ACME), { code: 'unexpected_answer', options: { status: undefined } }, JSON.stringify(body));
  }
});

t.test('a ready token that has ended: what lives is given, and the reason at once to who has none', async (t) => {
  const world = createWorld();
  await world.sessions.obtain(ACME);
  const end = Math.floor(Date.now() / 1000) + 900;
  const token = `e30.${Buffer.from(JSON.stringify({ exp: end })).toString('base64url')}.x`;
  const { url } = await startStandIn(t, {
    'POST /v1/connections/acme/credentials': problem(401, 'invalid_token', 'The token was refused: it has expired.'),
  });
  let now = (end + 1) * 1000;
  const env = { COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: token };
  const outside = { env, now: () => now, sleep: async () => {} } as unknown as Outside;
  const ask = createAskService(createCall([], {}, outside, false));
  await t.rejects(ask(ACME), { code: 'token_over', options: { status: undefined } });
  now = (end - 1) * 1000;
  await t.rejects(ask(ACME), { code: 'invalid_token', status: 401 }, 'refused before its end, it is a decision');
  world.answer = () => Promise.reject(new Refusal('token_over', 'It has ended.'));
  await t.rejects(world.sessions.obtain({ connection: 'cold' }), { code: 'token_over' });
  await pass(world, 40 * MINUTE);
  const given = world.sessions.obtain(ACME);
  await world.step(SECOND);
  t.equal((await given).AccessKeyId, 'K1');
});

t.test("a platform's token that is over: in a file it is waited for, in a variable it is said", async (t) => {
  const token = `e30.${Buffer.from('{"sub":"billing"}').toString('base64url')}.x`;
  const askWhere = async (how: 'FILE' | 'VARIABLE', why: string): Promise<Refusal> => {
    const body = { error: 'invalid_request', error_description: `the subject token was refused: ${why}` };
    const { url, folder } = await startStandIn(t, {}, { refuseToken: { status: 400, body } });
    const file = join(folder, 'token');
    writeFileSync(file, token);
    const shown = how === 'FILE' ? { COUNTERSIGN_IDENTITY_TOKEN_FILE: file } : { COUNTERSIGN_IDENTITY_TOKEN: token };
    const outside = { env: { COUNTERSIGN_URL: url, ...shown }, now: Date.now, sleep: async () => {} };
    const ask = createAskService(createCall([], {}, outside as unknown as Outside, false));
    return (await ask(ACME).catch((error: unknown) => error)) as Refusal;
  };
  for (const why of ['it has expired', 'it was used before, and may be shown once']) {
    const world = createWorld({ holdMs: MINUTE });
    await world.sessions.obtain(ACME);
    const [waited, said] = [await askWhere('FILE', why), await askWhere('VARIABLE', why)];
    t.match([waited, said], [{ code: 'identity_over', message: why }, { code: 'token_over' }]);
    world.answer = () => Promise.reject(waited);
    const cold = world.sessions.obtain({ connection: 'cold' });
    await pass(world, 30 * SECOND);
    world.answer = async () => session(world.clock, 3600, 'renewed');
    await pass(world, 30 * SECOND);
    t.equal((await cold).AccessKeyId, 'renewed', why);
    world.answer = () => Promise.reject(said);
    await t.rejects(world.sessions.obtain({ connection: 'other' }), { code: 'token_over', message: /renewed\.$/ });
    await pass(world, 40 * MINUTE);
    const given = world.sessions.obtain(ACME);
    await world.step(SECOND);
    t.equal((await given).AccessKeyId, 'K1', why);
  }
  for (const how of ['FILE', 'VARIABLE'] as const)
    t.match(await askWhere(how, 'no workload has this identity'), {
      code: 'invalid_request',
      options: { status: 400 },
    });
});
