// An issuer that misbehaves in every way (misbehaviours.ts), and what the service makes of it.
import t from 'tap';
import { createRanges } from '../../src/http/addresses.ts';
import { createEgress } from '../../src/reach/egress.ts';
import { DISCOVERY, documentsOf, type StandInAnswers, startStandIn } from '../support/stand-in-issuer.ts';
import { LATE, MISBEHAVIOURS, type Misbehaviour, REBINDINGS } from './misbehaviours.ts';
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
    t.match(body.failure, way.why, `${name}: ${JSON.stringify(body)}`);
    t.same(body.kids, [], name);
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

t.test('an issuer whose name comes to lead elsewhere is gone to where it was looked at, or not at all', async (t) => {
  const standIn = await startStandIn(t);
  const { port } = new URL(standIn.url);
  const ways = Object.entries(REBINDINGS).map(([name, way], index) => ({
    ...{ name, way, trusted: `rebinding-${index}`, host: `rebinding-${index}.example`, path: `/${index}` },
  }));
  const left = new Map(ways.map(({ host, way }) => [host, [...way.leads]]));
  const here = createRanges(['127.0.0.1/32']);
  // A start proves that this machine is refused; what configuration allows of it comes after.
  let started = false;
  const egress = createEgress({
    allowed: (address) => started && here(address),
    resolve: async (host) => left.get(host)?.shift() ?? [],
  });
  const federation = await openFederation(t, { egress });
  started = true;
  const urlOf = ({ host, path }: (typeof ways)[number]): string => `http://${host}:${port}${path}`;
  const jwks = standIn.keys.map(({ jwk }) => jwk);
  await standIn.answer(Object.assign({}, ...ways.map((way) => documentsOf(urlOf(way), jwks))) as StandInAnswers);
  for (const one of ways) {
    await federation.trust({ name: one.trusted, kind: 'kubernetes', issuer: urlOf(one) });
    const { body } = await federation.service.call('GET', `/v1/trusted-issuers/${one.trusted}/keys`);
    t.match(body.failure, one.way.why, `${one.name}: ${JSON.stringify(body)}`);
    t.same(body.kids, [], one.name);
    const paths = { discovery: `${one.path}${DISCOVERY}`, keys: `${one.path}/jwks` };
    const asked = (await standIn.asked()).filter((path) => path.startsWith(`${one.path}/`));
    t.same(
      asked,
      one.way.asked.map((what) => paths[what]),
      `${one.name}: what it was asked for`,
    );
  }
});
