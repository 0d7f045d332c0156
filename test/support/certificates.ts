// X.509 certificates written out by hand: an authority, and servers' certificates of any name and term.
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

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
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const octets = (value: Buffer): Buffer => der(0x04, value);
const ecdsaWithSha256 = der(SEQUENCE, oid('2a8648ce3d040302'));
const TRUE = der(0x01, Buffer.from([0xff]));

/** GeneralizedTime. */
function time(at: number): Buffer {
  return der(0x18, Buffer.from(`${new Date(at).toISOString().replaceAll(/[-:T]|\.\d+/g, '')}`));
}

const nameOf = (commonName: string): Buffer =>
  der(SEQUENCE, der(0x31, der(SEQUENCE, oid('550403'), der(0x0c, Buffer.from(commonName)))));

function subjectAltName(names: readonly string[]): Buffer {
  const general = names.map((name) =>
    /^[\d.]+$/.test(name) ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name)),
  );
  return der(SEQUENCE, oid('551d11'), octets(der(SEQUENCE, ...general)));
}

const AUTHORITY = der(SEQUENCE, oid('551d13'), TRUE, octets(der(SEQUENCE, TRUE)));

export interface Certificate {
  cert: string;
  key: string;
  privateKey: KeyObject;
  commonName: string;
}

let serial = 1;

export interface CertificateOptions {
  commonName: string;
  /** DNS names and IPv4 addresses; a certificate without is an authority's. */
  names?: readonly string[];
  notBefore?: number;
  notAfter?: number;
  /** Self-signed unless given. */
  issuer?: Certificate;
}

const DAY = 24 * 3_600_000;

export function makeCertificate(options: CertificateOptions): Certificate {
  const { commonName, names, notBefore = Date.now() - DAY, notAfter = Date.now() + 365 * DAY, issuer } = options;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  serial += 1;
  const body = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([serial])),
    ecdsaWithSha256,
    nameOf(issuer?.commonName ?? commonName),
    der(SEQUENCE, time(notBefore), time(notAfter)),
    nameOf(commonName),
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, names ? subjectAltName(names) : AUTHORITY)),
  );
  const signature = sign('sha256', body, issuer?.privateKey ?? privateKey);
  const whole = der(SEQUENCE, body, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature));
  const lines = whole.toString('base64').match(/.{1,64}/g) as string[];
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    privateKey,
    commonName,
  };
}
