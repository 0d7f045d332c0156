// Signatures in the form that JWS wants, whatever the length of their numbers.
import { constants, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import t from 'tap';
import { generatePrivateKey, signData, toJwsSignature } from '../../src/keys/algorithms.ts';

t.test('r and s are 32 bytes each, with what DER leaves out and without what it adds', async (t) => {
  const integer = (bytes: number[]): number[] => [2, bytes.length, ...bytes];
  const der = (r: number[], s: number[]): Uint8Array => {
    const body = [...integer(r), ...integer(s)];
    return Uint8Array.from([0x30, body.length, ...body]);
  };
  const full = Array.from({ length: 32 }, (_, index) => index + 1);
  const high = [0xff, ...full.slice(1)];
  const zeros = (count: number): number[] => new Array<number>(count).fill(0);
  t.same([...toJwsSignature(der(full, full))], [...full, ...full]);
  t.same([...toJwsSignature(der([0, ...high], full))], [...high, ...full], 'a sign byte is dropped');
  t.same([...toJwsSignature(der([7], [0, 0x80]))], [...zeros(31), 7, ...zeros(31), 0x80], 'short ones are filled up');
  t.same([...toJwsSignature(der(full, full.slice(2)))], [...full, 0, 0, ...full.slice(2)]);
});

t.test('a verifier takes every one of them', async (t) => {
  const key = await generatePrivateKey('ES256');
  const publicKey = createPublicKey(key);
  const lengths = new Set<number>();
  let verified = 0;
  for (let n = 0; n < 400; n += 1) {
    const data = Buffer.from(`payload ${n}`);
    const signature = await signData('ES256', key, data);
    lengths.add(signature.length);
    if (verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)) verified += 1;
  }
  t.same([...lengths], [64]);
  t.equal(verified, 400);
});

t.test('RS256 is PKCS #1 v1.5, as it comes', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signature = await signData('RS256', privateKey, Buffer.from('x'));
  t.ok(verify('sha256', Buffer.from('x'), { key: publicKey, padding: constants.RSA_PKCS1_PADDING }, signature));
});
