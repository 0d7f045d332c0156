// The whole service and the sandbox: a standby is proved as it is rotated, a revocation before its key is destroyed, and both are shown.
import t from 'tap';
import { startTestService } from '../../support/service.ts';
import { connectAccount, startTestSandbox } from '../../support/connect-account.ts';
import { scrape } from '../../metrics/scrape.ts';
import { until } from '../../support/until.ts';

t.test('rotate --now is proved at STS, and a revoked key until STS refuses it', { timeout: 90_000 }, async (t) => {
  const sandbox = await startTestSandbox(t, { jwksCacheSeconds: 1 });
  const service = await startTestService(t, { env: { STS_ENDPOINT_URL: sandbox.url } });
  const { id, issuer } = await connectAccount(service, sandbox);
  const show = async () => (await service.call('GET', `/v1/keys/${issuer.id}`)).body.items[0];
  const proofOf = async (kid: string) => (await show()).keys.find((key: { kid: string }) => key.kid === kid).proof;

  const { status, body } = await service.call('POST', `/v1/keys/${issuer.id}/rotate`, { now: true });
  t.equal(status, 200);
  t.match(await proofOf(body.kid), { about: 'standby', outcome: 'accepted', looks: 1, request_id: /\S/ });
  t.equal(await proofOf(body.standby), undefined, 'nothing was asked of the next one');
  const atOnce = await scrape(service.url);
  t.equal(atOnce.value('countersign_canaries_total{about="standby",outcome="accepted"}'), 2);

  const reason = { headers: { 'countersign-reason': 'a laptop was stolen' } };
  await service.call('POST', `/v1/keys/${issuer.id}/revoke`, { kid: body.predecessor }, reason);
  // A busy machine: eleven seconds, which are what a loopback policy gives a proof, may be too few.
  await service.database.db
    .updateTable('private_keys')
    .set({ destroy_at: new Date(Date.now() + 3_600_000) })
    .where('kid', '=', body.predecessor)
    .execute();
  const proved = await until(async () => (await proofOf(body.predecessor))?.outcome === 'proved', 50_000);
  t.ok(proved, JSON.stringify(await proofOf(body.predecessor)));
  t.match(await proofOf(body.predecessor), { about: 'revocation', outcome: 'proved', first_refused_at: /Z$/ });
  const left = await service.database.db.selectFrom('private_keys').select('kid').execute();
  t.notOk(left.some(({ kid }) => kid === body.predecessor));

  const { items } = (await service.call('GET', `/v1/audit?connection=${id}&kind=key.canary_intent`)).body;
  t.ok(items.length >= 4);
  const { value } = await scrape(service.url);
  t.ok(value('countersign_canaries_total{about="revocation",outcome="refused"}') >= 6);
  t.equal(value('countersign_revocations_unproved'), 0);
  t.equal(value('countersign_standbys_refused'), 0);
  const looks = (await service.call('GET', `/v1/audit?connection=${id}&kind=connection.verified`)).body.items.length;
  t.ok(looks >= 1);
  const sessions = sandbox.calls.filter(({ action }) => action === 'GetCallerIdentity').length;
  t.equal(sessions, looks, 'the verifier’s; the sessions of canaries are thrown away');
});
