// The one door to AWS KMS: its calls, their deadline, their errors sorted. The SDK is read when the first is made.
import { Agent as HttpsAgent } from 'node:https';
import type * as Kms from '@aws-sdk/client-kms';
import { KmsError, toKmsError, unreadable } from './aws-kms-errors.ts';
import { kmsKeyRegion } from './aws-regions.ts';
import { withDeadline } from './deadline.ts';

/** What is known of a key without using it. */
export interface KmsKey {
  /** `ENCRYPT_DECRYPT`, `SIGN_VERIFY`, … */
  usage: string;
  /** `SYMMETRIC_DEFAULT`, `ECC_NIST_P256`, `RSA_2048`, … */
  spec: string;
  /** `Enabled`, `Disabled`, `PendingDeletion`, … */
  state: string;
}

/** Names and values that KMS authenticates, and writes into CloudTrail. */
export type EncryptionContext = Readonly<Record<string, string>>;

export type KmsSigningAlgorithm = 'ECDSA_SHA_256' | 'RSASSA_PKCS1_V1_5_SHA_256';

/** Every key is named by its ARN, and the ARN's region is asked. Each call throws KmsError. */
export interface AwsKms {
  describeKey(arn: string): Promise<KmsKey>;
  encrypt(arn: string, plaintext: Uint8Array, context: EncryptionContext): Promise<Buffer>;
  decrypt(arn: string, ciphertext: Uint8Array, context: EncryptionContext): Promise<Buffer>;
  /** @param digest SHA-256. @returns the signature; for ECDSA in DER */
  sign(arn: string, algorithm: KmsSigningAlgorithm, digest: Uint8Array): Promise<Buffer>;
  /** Makes a key that signs. @returns its ARN */
  createSigningKey(input: {
    region: string;
    spec: 'ECC_NIST_P256' | 'RSA_2048';
    description: string;
    tags: Readonly<Record<string, string>>;
  }): Promise<string>;
  /** @returns the public key: SubjectPublicKeyInfo in DER */
  getPublicKey(arn: string): Promise<Buffer>;
  /** From now on it signs no more. @param days 7 to 30, until it is gone for good */
  scheduleDeletion(arn: string, days: number): Promise<void>;
  close(): void;
}

export interface AwsKmsOptions {
  /** A stand-in's URL in place of every region's endpoint; configuration allows it with a loopback issuer alone. */
  endpointUrl?: string | undefined;
  /** Deadline of one call with all its retries, milliseconds; 3000 unless given. */
  timeoutMs?: number | undefined;
}

interface Opened {
  sdk: typeof Kms;
  client: Kms.KMSClient;
}

const MAX_ATTEMPTS = 3;
const CONNECT_TIMEOUT_MS = 1000;

/** @throws KmsError for what is no ARN of a key in a region that is known here */
function regionOf(arn: string): string {
  const region = kmsKeyRegion(arn);
  if (region === undefined) throw new KmsError('ours', 'NotAKey', `${arn} is no ARN of a KMS key in a known region.`);
  return region;
}

export function createAwsKms({ endpointUrl, timeoutMs = 3000 }: AwsKmsOptions = {}): AwsKms {
  const clients = new Map<string, Promise<Opened>>();

  /** Unlike STS's, requests are signed, with the credentials that the surroundings of the process give: the SDK's chain. */
  async function open(region: string): Promise<Opened> {
    const [sdk, { NodeHttpHandler }] = await Promise.all([
      import('@aws-sdk/client-kms'),
      import('@smithy/node-http-handler'),
    ]);
    const client = new sdk.KMSClient({
      region,
      ...(endpointUrl === undefined ? {} : { endpoint: endpointUrl }),
      // Keys in clear go there: a variable that is not ours must not say where that is.
      ignoreConfiguredEndpointUrls: true,
      retryMode: 'standard',
      maxAttempts: MAX_ATTEMPTS,
      userAgentAppId: 'countersign',
      requestHandler: new NodeHttpHandler({
        httpsAgent: new HttpsAgent({
          ...{ keepAlive: true, maxSockets: 64, rejectUnauthorized: true, minVersion: 'TLSv1.2' },
        }),
        connectionTimeout: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
        requestTimeout: timeoutMs,
        throwOnRequestTimeout: true,
      }),
    });
    return { sdk, client };
  }

  function opened(region: string): Promise<Opened> {
    const known = clients.get(region);
    if (known) return known;
    const opening = open(region);
    clients.set(region, opening);
    opening.catch(() => clients.delete(region));
    return opening;
  }

  /** The deadline holds while the SDK is read and looks for credentials, too. */
  async function call<T>(
    region: string,
    send: (opened: Opened, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    try {
      return await withDeadline(timeoutMs, async (abortSignal) => await send(await opened(region), { abortSignal }));
    } catch (error) {
      throw toKmsError(error);
    }
  }

  return {
    describeKey: async (arn) =>
      await call(regionOf(arn), async ({ sdk, client }, options) => {
        const { KeyMetadata: key } = await client.send(new sdk.DescribeKeyCommand({ KeyId: arn }), options);
        if (!key?.KeyUsage || !key.KeySpec || !key.KeyState) throw unreadable();
        return { usage: key.KeyUsage, spec: key.KeySpec, state: key.KeyState };
      }),

    encrypt: async (arn, plaintext, context) =>
      await call(regionOf(arn), async ({ sdk, client }, options) => {
        const input = { KeyId: arn, Plaintext: plaintext, EncryptionContext: { ...context } };
        const { CiphertextBlob: blob } = await client.send(new sdk.EncryptCommand(input), options);
        if (!blob?.length) throw unreadable();
        return Buffer.from(blob);
      }),

    decrypt: async (arn, ciphertext, context) =>
      await call(regionOf(arn), async ({ sdk, client }, options) => {
        const input = { KeyId: arn, CiphertextBlob: ciphertext, EncryptionContext: { ...context } };
        const { Plaintext: plaintext } = await client.send(new sdk.DecryptCommand(input), options);
        if (!plaintext?.length) throw unreadable();
        return Buffer.from(plaintext);
      }),

    sign: async (arn, algorithm, digest) =>
      await call(regionOf(arn), async ({ sdk, client }, options) => {
        const input = { KeyId: arn, Message: digest, MessageType: 'DIGEST', SigningAlgorithm: algorithm } as const;
        const { Signature: signature } = await client.send(new sdk.SignCommand(input), options);
        if (!signature?.length) throw unreadable();
        return Buffer.from(signature);
      }),

    createSigningKey: async ({ region, spec, description, tags }) =>
      await call(region, async ({ sdk, client }, options) => {
        const input = {
          ...({ KeyUsage: 'SIGN_VERIFY', KeySpec: spec, Description: description } as const),
          Tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
        };
        const { KeyMetadata: key } = await client.send(new sdk.CreateKeyCommand(input), options);
        if (!key?.Arn) throw unreadable();
        return key.Arn;
      }),

    getPublicKey: async (arn) =>
      await call(regionOf(arn), async ({ sdk, client }, options) => {
        const { PublicKey: key } = await client.send(new sdk.GetPublicKeyCommand({ KeyId: arn }), options);
        if (!key?.length) throw unreadable();
        return Buffer.from(key);
      }),

    scheduleDeletion: async (arn, days) =>
      await call(regionOf(arn), async ({ sdk, client }, options) => {
        // By its id in our own account: nobody deletes a key of another's.
        const KeyId = arn.slice(arn.indexOf('/') + 1);
        await client.send(new sdk.ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: days }), options);
      }),

    close: () => {
      for (const opening of clients.values()) opening.then(({ client }) => client.destroy()).catch(() => {});
    },
  };
}
