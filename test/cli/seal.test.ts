// `seal` and `unseal`: what is sent, what is shown, and that a reason is asked for before anything is sent.
import t from 'tap';
import { cli, startStandIn } from './stand-in.ts';

const SEALED = { sealed: true, sealed_at: '2026-11-26T15:00:00.000Z', sealed_by: 'ad_x', reason: 'INC-42' };

t.test('seal and unseal, and again', async (t) => {
  const { env, calls } = await startStandIn(t, {
    'POST /v1/service/seal': (_received, nth) => ({ body: { ...SEALED, changed: nth === 0 } }),
    'POST /v1/service/unseal': (_received, nth) => ({ body: { sealed: false, changed: nth === 0 } }),
  });
  const why = ['--reason', 'INC-42'];
  t.match((await cli(['seal', ...why], env)).stdout, /^Sealed: nothing is minted\.\n[^]*sealed_by +ad_x/);
  t.match((await cli(['seal', ...why], env)).stdout, /^It was sealed already/);
  t.match((await cli(['unseal', ...why], env)).stdout, /^Unsealed/);
  t.same((await cli(['unseal', ...why, '--json'], env)).json(), { sealed: false, changed: false });
  t.equal(calls.length, 4);
  t.equal(calls[0]?.headers['countersign-reason'], 'INC-42');
});

t.test('without a reason: nothing is sent', async (t) => {
  const { env, calls } = await startStandIn(t, {});
  for (const verb of ['seal', 'unseal']) t.match(await cli([verb], env), { code: 2, stderr: /--reason is missing/ });
  t.equal(calls.length, 0);
});

t.test('a token refused by a seal says so, with what to do', async (t) => {
  const { env } = await startStandIn(
    t,
    {},
    {
      refuseToken: {
        status: 503,
        body: {
          ...{ error: 'temporarily_unavailable', error_description: 'The service is sealed.' },
          ...{ code: 'sealed', hint: 'countersign unseal' },
        },
      },
    },
  );
  t.match(await cli(['whoami'], env), {
    code: 1,
    stderr: /The service is sealed\. \[sealed\]\nhint: countersign unseal/,
  });
});
