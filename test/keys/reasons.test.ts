// Where keys are made, and by what they are wrapped, is never changed without a reason: what a caller hears that gives none.
import t from 'tap';
import { registerClient, startTestService, workloadToken } from '../support/service.ts';

t.test('no signer and no key-encryption key without a reason', async (t) => {
  const service = await startTestService(t);
  const client = await registerClient(service, { slug: 'rotator', scopes: ['keys:rotate'] });
  const token = await workloadToken(service, client, `${service.config.issuerUrl}/v1`, 'keys:rotate');
  for (const [method, path, body, detail] of [
    ['PUT', '/v1/keys/platform/signer', { signer: 'local' }, 'A signer is chosen with a reason.'],
    ['POST', '/v1/kek/rotate', {}, 'A key-encryption key is rotated with a reason.'],
  ] as const) {
    const { status, body: problem } = await service.call(method, path, body, { token });
    t.equal(status, 400, path);
    const { code, detail: said, hint } = problem;
    t.same(
      { code, said, hint },
      {
        ...{ code: 'reason_required', said: detail },
        hint: 'Send Countersign-Reason: <why, percent-encoded>; with the command, --reason "…".',
      },
      path,
    );
  }
});
