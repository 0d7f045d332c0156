// Verification of signatures beside what is signed: both are done by the same few threads, first come first served.
import { generateKeyPairSync, sign } from 'node:crypto';
import { promisify } from 'node:util';
import t from 'tap';
import { verifies } from '../../src/tokens/signature.ts';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

function issue(jti: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const data = `${part({ alg: 'ES256' })}.${part({ jti })}`;
  const signature = sign('sha256', Buffer.from(data), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${data}.${signature.toString('base64url')}`;
}

t.test('what is signed does not wait for all tokens that came before it', async (t) => {
  const tokens = Array.from({ length: 400 }, (_, jti) => issue(jti));
  let verified = 0;
  const all = tokens.map(async (token) => {
    if (await verifies(token, publicKey, 'ES256')) verified += 1;
  });
  // Each has been begun that will be begun before the first has ended.
  await new Promise((resolve) => setImmediate(resolve));
  await promisify(sign)('sha256', Buffer.from('data'), privateKey);
  t.ok(verified < 350, `${verified} were verified before it`);
  await Promise.all(all);
  t.equal(verified, 400, 'each has its turn');
});
