// Keys and signatures that could be taken for others (key-confusions.ts), as an issuer publishes them and a service meets them.
import { createHmac, createPublicKey } from 'node:crypto';
import t from 'tap';
import { keepShown } from '../support/known-secrets.ts';
import {
  createStandInKey,
  documentsOf,
  nowSeconds,
  signAs,
  type StandInAnswers,
  startStandIn,
} from '../support/stand-in-issuer.ts';
import { type Confusion, CONFUSIONS, type KeyName, KEYS } from './key-confusions.ts';
import { openFederation } from './world.ts';

const SUBJECT = 'system:serviceaccount:payments:billing';
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384'];
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

t.test('no key is taken for another, and nothing for a signature', async (t) => {
  const standIn = await startStandIn(t);
  const federation = await openFederation(t);
  const own = Object.fromEntries(
    Object.entries(KEYS).map(([name, alg]) => [name, createStandInKey(alg, 'a')]),
  ) as Record<KeyName, ReturnType<typeof createStandInKey>>;
  const secrets = {
    'hmac of its PEM': createPublicKey(own.rsa.privateKey).export({ type: 'spki', format: 'pem' }),
    'hmac of its JWK': JSON.stringify(own.rsa.jwk),
    'hmac of its modulus': Buffer.from(own.rsa.jwk['n'] as string, 'base64url'),
  };

  const publish = (key: unknown): object => {
    const { of, ...more } = (key ?? {}) as { of?: KeyName };
    return of ? { ...own[of].jwk, ...more } : (key as object);
  };
  const sign = async ({ by, alg, kid = 'a' }: Confusion, iss: string): Promise<string> => {
    const now = nowSeconds();
    const payload = { iss, sub: SUBJECT, aud: federation.service.config.issuerUrl, iat: now, exp: now + 300 };
    if (typeof by === 'string' && by in own) return await signAs(own[by as KeyName], payload, { alg, kid });
    const unsigned = `${part({ alg, kid, typ: 'JWT' })}.${part(payload)}`;
    if (by === 'nobody') return `${unsigned}.AA`;
    const secret = typeof by === 'object' ? Buffer.from(by.secret, 'base64url') : secrets[by as keyof typeof secrets];
    const token = `${unsigned}.${createHmac('sha256', secret).update(unsigned).digest('base64url')}`;
    keepShown('of a platform', token);
    return token;
  };

  const rows = Object.entries(CONFUSIONS).map(([name, row], index) => ({
    ...{ name, row, trusted: `issuer-${index}`, url: `${standIn.url}/${index}` },
  }));
  const documents = rows.map(({ url, row }) => documentsOf(url, row.keys.map(publish)));
  await standIn.answer(Object.assign({}, ...documents) as StandInAnswers);
  const billing = await federation.register('billing');
  for (const { name, row, trusted, url } of rows) {
    await federation.trust({ name: trusted, kind: 'kubernetes', issuer: url, algorithms: ALGORITHMS });
    await federation.identify(billing.id, { trusted_issuer: trusted, subject: SUBJECT });
    const answer = await federation.exchange(await sign(row, url));
    const expected = row.why
      ? { status: 400, body: { error: 'invalid_request', error_description: row.why } }
      : { status: 200 };
    t.match(answer, expected, `${name}: ${JSON.stringify(answer.body)}`);
  }
});
