// A self-signed X.509 certificate, written out by hand: the tests of `x5c` need one, and nothing else does.
import type { KeyObject } from 'node:crypto';
import { createPublicKey, sign } from 'node:crypto';

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const SEQUENCE = 0x30;
const ecdsaWithSha256 = der(SEQUENCE, der(0x06, Buffer.from('2a8648ce3d040302', 'hex')));

/** @returns base64 of the DER, as an element of `x5c` */
export function selfSigned(privateKey: KeyObject): string {
  const commonName = der(SEQUENCE, der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from('test')));
  const name = der(SEQUENCE, der(0x31, commonName));
  const validity = der(SEQUENCE, der(0x17, Buffer.from('260101000000Z')), der(0x17, Buffer.from('460101000000Z')));
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const version = der(0xa0, der(0x02, Buffer.from([2])));
  const body = der(SEQUENCE, version, der(0x02, Buffer.from([1])), ecdsaWithSha256, name, validity, name, publicKey);
  const signature = sign('sha256', body, privateKey);
  return der(SEQUENCE, body, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature)).toString('base64');
}
