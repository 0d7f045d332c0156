// An issuer that misbehaves in every way (misbehaviours.ts), and what the service makes of it.
import t from 'tap';
import { DISCOVERY, documentsOf, type StandInAnswers, startStandIn } from '../support/stand-in-issuer.ts';
import { LATE, MISBEHAVIOURS, type Misbehaviour } from './misbehaviours.ts';
import { openFederation } from './world.ts';

const SUBJECT = 'system:serviceaccount:payments:billing';

t.test('an issuer that misbehaves is not believed, and what is wrong is said', async (t) => {
  const [standIn, elsewhere] = [await startStandIn(t), await startStandIn(t)];
  const federation = await openFederation(t);
  const { service } = federation;
  const jwks = standIn.keys.map(({ jwk }) => jwk);
  const { host } = new URL(standIn.url);

  /** One server, an issuer for each way: `iss` has its path. */
  function answersOf(url: string, { says, ...instead }: Misbehaviour): StandInAnswers {
    const told: Record<string, string> = { '{{url}}': url, '{{host}}': host, '{{elsewhere}}': elsewhere.url };
    const filled = <Value>(value: Value): Value =>
      JSON.parse(JSON.stringify(value).replaceAll(/\{\{\w+\}\}/g, (name) => told[name] ?? name)) as Value;
    const right = documentsOf(url, jwks);
    const { pathname } = new URL(url);
    const discovery = `${pathname}${DISCOVERY}`;
    if (says) return { ...right, [discovery]: filled({ body: { ...(right[discovery]?.body as object), ...says } }) };
    const { discovery: first, jwks: second } = instead;
    return {
      ...right,
      ...(first && { [discovery]: filled(first) }),
      ...(second && { [`${pathname}/jwks`]: filled(second) }),
    };
  }

  const ways = Object.entries(MISBEHAVIOURS).map(([name, way], index) => ({
    ...{ name, way, trusted: `issuer-${index}`, url: `${standIn.url}/${index}` },
  }));
  await standIn.answer(Object.assign({}, ...ways.map(({ url, way }) => answersOf(url, way))) as StandInAnswers);
  for (const { trusted, url } of ways) await federation.trust({ name: trusted, kind: 'kubernetes', issuer: url });
  await federation.trust({ name: 'good', kind: 'kubernetes', issuer: standIn.url });
  const billing = await federation.register('billing');
  await federation.identify(billing.id, { trusted_issuer: 'good', subject: SUBJECT });
  const show = async (iss: string) =>
    await federation.exchange(await standIn.sign({ iss, sub: SUBJECT, aud: service.config.issuerUrl }));

  const look = async ({ name, way, trusted }: (typeof ways)[number]): Promise<void> => {
    const { body } = await service.call('GET', `/v1/trusted-issuers/${trusted}/keys`);
    t.match(body, { kids: [], failure: way.why }, `${name}: ${JSON.stringify(body)}`);
  };
  // Those that take their time, beside the others one by one: nobody else is late on a busy machine.
  const slow = Promise.all(ways.filter(({ way }) => way.why === LATE).map(look));
  t.equal((await show(standIn.url)).status, 200, 'one that behaves is believed meanwhile');
  for (const one of ways) if (one.way.why !== LATE) await look(one);
  await slow;
  for (const { name, url } of ways)
    t.match(await show(url), { status: 503, body: { error: 'temporarily_unavailable' } }, name);
  t.equal(await elsewhere.came(), 0, 'and nobody was sent elsewhere');
});
