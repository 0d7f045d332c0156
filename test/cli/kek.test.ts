// `kek` and `key signer`: what is sent, what is shown, and that a reason is asked for before anything is sent.
import t from 'tap';
import { cli, startStandIn } from './stand-in.ts';

const ARN = 'arn:aws:kms:eu-central-1:111122223333:key/a';
const KEKS = [
  { id: '0123456789abcdef', source: '/etc/countersign/kek', wraps: false, private_halves: 3 },
  { id: ARN, source: 'AWS KMS', wraps: true, private_halves: 1 },
];
const ROTATION = { to: ARN, started_at: '2026-11-26T15:00:00.000Z', actor: 'ad_x', reason: 'yearly', remaining: 3 };
const REPLICAS = [{ id: 'rp_a', host: 'web-1', opens: [ARN], seen_at: '2026-11-26T15:00:00.000Z' }];
const STATE = { keks: KEKS, rotation: ROTATION, replicas: REPLICAS };
const DONE = { ...STATE, rotation: { ...ROTATION, remaining: 0, finished_at: '2026-11-26T15:01:00.000Z' } };

t.test('kek show', async (t) => {
  const { env } = await startStandIn(t, { 'GET /v1/kek': () => ({ body: STATE }) });
  const { stdout } = await cli(['kek', 'show'], env);
  for (const shown of [/wraps +1 +AWS KMS/, /opens +3 +\/etc/, /remaining +3/, /rp_a +web-1/]) t.match(stdout, shown);
  t.same((await cli(['kek', 'show', '--json'], env)).json(), STATE);
});

t.test('kek rotate: waits where asked, and says what stands in the way', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'POST /v1/kek/rotate': () => ({ body: { ...STATE, changed: true } }),
    'GET /v1/kek': (_received, nth) => ({
      body: nth === 0 ? { ...STATE, rotation: { ...ROTATION, trouble: 'a replica does not open it' } } : DONE,
    }),
  });
  t.match(await cli(['kek', 'rotate'], env), { code: 2, stderr: /--reason is missing/ });
  t.equal(calls.length, 0);
  const waited = await cli(['kek', 'rotate', ARN, '--wait', '--reason', 'yearly'], env);
  t.match(waited, {
    code: 0,
    stdout: /finished_at +2026/,
    stderr: /3 private halves to go; a replica does not open it/,
  });
  t.match(calls[0], { body: { to: ARN }, headers: { 'countersign-reason': 'yearly' } });
});

t.test('key signer: shows, and chooses', async (t) => {
  const keys = [{ kid: 'k1', signer: 'aws_kms', name: ARN }];
  const state = { ring: 'platform:ES256', signer: 'aws_kms', region: 'eu-central-1', keys };
  const { env, calls } = await startStandIn(t, {
    'GET /v1/keys/platform/signer': () => ({ body: state }),
    'PUT /v1/keys/platform/signer': () => ({ body: { ...state, changed: true } }),
  });
  t.match((await cli(['key', 'signer'], env)).stdout, /k1 +aws_kms +arn:aws:kms/);
  const chosen = ['key', 'signer', 'platform', 'aws-kms', '--region', 'eu-central-1'];
  t.match(await cli(chosen, env), { code: 2, stderr: /--reason is missing/ });
  t.match(await cli(['key', 'signer', 'platform', 'hsm', '--reason', 'x'], env), { code: 2, stderr: /no signer/ });
  t.equal(calls.length, 1);
  t.match((await cli([...chosen, '--reason', 'x'], env)).stdout, /changed +true/);
  t.match(calls[1], { body: { signer: 'aws_kms', region: 'eu-central-1' } });
});
