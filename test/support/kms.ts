// A stand-in for AWS KMS: its JSON protocol on loopback, as strict as AWS about keys, regions, contexts and digests.
import {
  constants,
  createCipheriv,
  createDecipheriv,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
  randomBytes,
  randomUUID,
} from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { signDigest } from './ecdsa.ts';

export type Spec = 'SYMMETRIC_DEFAULT' | 'ECC_NIST_P256' | 'RSA_2048' | 'HMAC_256';

export interface StandInKey {
  arn: string;
  region: string;
  usage: string;
  spec: Spec;
  state: 'Enabled' | 'Disabled' | 'PendingDeletion';
  tags: Record<string, string>;
  secret: Buffer;
  privateKey?: KeyObject;
  publicKey?: KeyObject;
}

export interface StandInKms {
  url: string;
  keys: Map<string, StandInKey>;
  /** Actions in the order of their calls. */
  calls: { action: string; input: Record<string, any> }[];
  /** Actions that the caller's role may not do. */
  denied: Set<string>;
  /** So many of the next calls are throttled. */
  throttle: number;
  /** Milliseconds before each answer. */
  latencyMs: number;
  /** Closes each connection without an answer. */
  away: boolean;
  /** Signs with a key of its own instead. */
  lies: boolean;
  make(spec?: Spec, region?: string): StandInKey;
}

const ACCOUNT = '111122223333';
const SHA256_PREFIX = Buffer.from('3031300d060960864801650304020105000420', 'hex');

class Refusal extends Error {
  readonly type: string;
  constructor(type: string, message = type) {
    super(message);
    this.type = type;
  }
}

function make(spec: Spec, region: string): StandInKey {
  const arn = `arn:aws:kms:${region}:${ACCOUNT}:key/${randomUUID()}`;
  const key: StandInKey = {
    ...{ arn, region, spec, state: 'Enabled', tags: {}, secret: randomBytes(32) },
    usage:
      spec === 'SYMMETRIC_DEFAULT' ? 'ENCRYPT_DECRYPT' : spec === 'HMAC_256' ? 'GENERATE_VERIFY_MAC' : 'SIGN_VERIFY',
  };
  if (spec === 'ECC_NIST_P256') return { ...key, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) };
  if (spec === 'RSA_2048') return { ...key, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) };
  return key;
}

const additionalData = (context: Record<string, string> = {}): Buffer =>
  Buffer.from(JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))));

const decode = (text: unknown): Buffer => Buffer.from(String(text ?? ''), 'base64');

function signWith(key: StandInKey, algorithm: string, digest: Buffer): Buffer {
  if (!key.privateKey) throw new Refusal('InvalidKeyUsageException');
  if (key.spec === 'ECC_NIST_P256') {
    if (algorithm !== 'ECDSA_SHA_256') throw new Refusal('InvalidKeyUsageException', 'wrong signing algorithm');
    return signDigest(key.privateKey, digest);
  }
  if (algorithm !== 'RSASSA_PKCS1_V1_5_SHA_256')
    throw new Refusal('InvalidKeyUsageException', 'wrong signing algorithm');
  return privateEncrypt(
    { key: key.privateKey, padding: constants.RSA_PKCS1_PADDING },
    Buffer.concat([SHA256_PREFIX, digest]),
  );
}

function answer(kms: StandInKms, action: string, region: string, input: Record<string, any>): object {
  if (kms.denied.has(action)) throw new Refusal('AccessDeniedException', `not authorized to perform: kms:${action}`);
  if (action === 'CreateKey') {
    if (input['KeyUsage'] !== 'SIGN_VERIFY')
      throw new Refusal('ValidationException', 'only keys that sign are made here');
    const key = make(input['KeySpec'] as Spec, region);
    key.tags = Object.fromEntries((input['Tags'] ?? []).map((tag: any) => [tag.TagKey, tag.TagValue]));
    for (const [name, value] of Object.entries(key.tags))
      if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u.test(value) || !/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u.test(name))
        throw new Refusal('TagException', `not a tag: ${name}`);
    kms.keys.set(key.arn, key);
    return { KeyMetadata: { KeyId: key.arn.split('/')[1], Arn: key.arn } };
  }
  const named = String(input['KeyId']);
  const key = kms.keys.get(named.startsWith('arn:') ? named : `arn:aws:kms:${region}:${ACCOUNT}:key/${named}`);
  // A key is known in its own region alone.
  if (!key || key.region !== region) throw new Refusal('NotFoundException', `Key '${input['KeyId']}' does not exist`);
  const { arn, usage, spec, state } = key;
  if (action === 'DescribeKey')
    return { KeyMetadata: { KeyId: arn.split('/')[1], Arn: arn, KeyUsage: usage, KeySpec: spec, KeyState: state } };
  if (state === 'Disabled') throw new Refusal('DisabledException', `${arn} is disabled.`);
  if (state === 'PendingDeletion') throw new Refusal('KMSInvalidStateException', `${arn} is pending deletion.`);
  const needs = (wanted: string): void => {
    if (usage !== wanted) throw new Refusal('InvalidKeyUsageException', `${arn} key usage is ${usage}`);
  };
  switch (action) {
    case 'Encrypt': {
      needs('ENCRYPT_DECRYPT');
      const plaintext = decode(input['Plaintext']);
      if (plaintext.length === 0 || plaintext.length > 4096)
        throw new Refusal('ValidationException', 'plaintext length');
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key.secret, iv).setAAD(additionalData(input['EncryptionContext']));
      const sealed = Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
      return { KeyId: arn, CiphertextBlob: sealed.toString('base64') };
    }
    case 'Decrypt': {
      needs('ENCRYPT_DECRYPT');
      const sealed = decode(input['CiphertextBlob']);
      try {
        const decipher = createDecipheriv('aes-256-gcm', key.secret, sealed.subarray(0, 12))
          .setAAD(additionalData(input['EncryptionContext']))
          .setAuthTag(sealed.subarray(-16));
        const plaintext = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
        return { KeyId: arn, Plaintext: plaintext.toString('base64') };
      } catch {
        throw new Refusal('InvalidCiphertextException', 'null');
      }
    }
    case 'GetPublicKey':
      needs('SIGN_VERIFY');
      return { KeyId: arn, PublicKey: key.publicKey?.export({ format: 'der', type: 'spki' }).toString('base64') };
    case 'Sign': {
      needs('SIGN_VERIFY');
      const digest = decode(input['Message']);
      if (input['MessageType'] !== 'DIGEST' || digest.length !== 32)
        throw new Refusal('ValidationException', 'Digest is invalid length');
      const by = kms.lies ? make(spec, region) : key;
      return { KeyId: arn, Signature: signWith(by, input['SigningAlgorithm'], digest).toString('base64') };
    }
    case 'ScheduleKeyDeletion':
      if (input['PendingWindowInDays'] < 7 || input['PendingWindowInDays'] > 30)
        throw new Refusal('ValidationException', 'window');
      key.state = 'PendingDeletion';
      return { KeyId: arn, DeletionDate: 0, KeyState: 'PendingDeletion' };
    default:
      throw new Refusal('UnknownOperationException', action);
  }
}

export async function startStandInKms(t: Test): Promise<StandInKms> {
  const kms: StandInKms = {
    ...{ url: '', keys: new Map(), calls: [], denied: new Set<string>(), throttle: 0, latencyMs: 0, away: false },
    lies: false,
    make: (spec = 'SYMMETRIC_DEFAULT', region = 'eu-central-1') => {
      const key = make(spec, region);
      kms.keys.set(key.arn, key);
      return key;
    },
  };
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const send = (status: number, body: object): void => {
      setTimeout(() => {
        response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() });
        response.end(JSON.stringify(body));
      }, kms.latencyMs);
    };
    const action = String(request.headers['x-amz-target']).replace(/^TrentService\./, '');
    const scope = /^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/([a-z0-9-]+)\/kms\/aws4_request/.exec(
      String(request.headers.authorization),
    );
    const input = JSON.parse(text);
    kms.calls.push({ action, input });
    if (kms.away) return void request.socket.destroy();
    if (!scope) return send(400, { __type: 'MissingAuthenticationTokenException', message: 'not signed' });
    if (kms.throttle > 0) {
      kms.throttle -= 1;
      return send(400, { __type: 'ThrottlingException', message: 'Rate exceeded' });
    }
    try {
      return send(200, answer(kms, action, scope[1] as string, input));
    } catch (error) {
      if (error instanceof Refusal) return send(400, { __type: error.type, message: error.message });
      return send(500, { __type: 'KMSInternalException', message: String(error) });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  kms.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return kms;
}

/** Credentials that only a stand-in takes, for the SDK's chain to find; taken back at the end of the test. */
export function giveCredentials(t: Test): void {
  const names = {
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  const before = Object.fromEntries(Object.keys(names).map((name) => [name, process.env[name]]));
  Object.assign(process.env, names);
  t.teardown(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}
