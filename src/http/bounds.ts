// What a listener bears, from the environment: TLS, proxies to believe, connections, rates, how it leaves. A leaf of the configuration.
import { type Static, Type } from 'typebox';
import { findRangeFault } from './addresses.ts';
import { findPairFault, type TlsFiles } from './tls.ts';

const Count = (description: string) => Type.String({ pattern: '^[1-9][0-9]{0,6}$', description });
const File = (description: string) => Type.String({ minLength: 1, description });

export const BoundVariables = {
  TRUST_PROXY: Type.Optional(
    Type.String({
      pattern: '^[0-9A-Fa-f.:/]+(,[0-9A-Fa-f.:/]+)*$',
      description:
        'addresses or CIDR ranges of proxies whose X-Forwarded-For is believed, separated by commas; nobody unless given',
    }),
  ),
  INTERNAL_TLS_CERT_FILE: Type.Optional(
    File(
      'the certificate of the internal listener in PEM, then those between it and its authority; read again when it changes; plain http unless given',
    ),
  ),
  INTERNAL_TLS_KEY_FILE: Type.Optional(File('the private key of INTERNAL_TLS_CERT_FILE in PEM, without a passphrase')),
  PUBLIC_MAX_CONNECTIONS: Type.Optional(Count('connections of the public listener at once; 4096 unless given')),
  INTERNAL_MAX_CONNECTIONS: Type.Optional(
    Count('connections of the internal listener at once, and of the one that both share; 4096 unless given'),
  ),
  MAX_CONNECTIONS_PER_ADDRESS: Type.Optional(
    Count(
      'connections of one address (IPv6: of one /64) to one listener at once; proxies of TRUST_PROXY are not counted; 1024 unless given',
    ),
  ),
  RATE_LIMIT_PER_CLIENT: Type.Optional(
    Count(
      'requests a second of one workload or administrator to one replica, tokens and API together; four seconds of them may come at once; 1000 unless given',
    ),
  ),
  RATE_LIMIT_FAILURES_PER_ADDRESS: Type.Optional(
    Count(
      'requests a second of one address (IPv6: of one /64) to one replica that fail to prove who sends them; beyond, the address is refused before anything is verified; 200 unless given',
    ),
  ),
  DRAIN_SECONDS: Type.Optional(
    Type.String({
      pattern: '^([0-9]|[1-5][0-9]|60)$',
      description:
        'how long a process that was told to stop still serves, with /readyz red, so that balancers turn away; 5 (0 with a loopback issuer)',
    }),
  ),
};

/** The variables as they came, checked against the schema. */
export type BoundValues = Partial<Static<ReturnType<typeof Type.Object<typeof BoundVariables>>>>;

/** A second, and to one replica. */
export interface RateBounds {
  perClient: number;
  failuresPerAddress: number;
}

export interface Bounds {
  trustProxy: string[] | undefined;
  /** Undefined where the internal listener speaks plain http. */
  internalTls: TlsFiles | undefined;
  connections: { public: number; internal: number; perAddress: number };
  rates: RateBounds;
  /** From the signal to the closing of the listeners, milliseconds. */
  drainMs: number;
}

function readTls(
  values: BoundValues,
  { shared, internalUrl }: { shared: boolean; internalUrl: URL | undefined },
  problems: string[],
): TlsFiles | undefined {
  const { INTERNAL_TLS_CERT_FILE: certFile, INTERNAL_TLS_KEY_FILE: keyFile } = values;
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    const [missing, given] = certFile === undefined ? ['CERT', 'KEY'] : ['KEY', 'CERT'];
    problems.push(
      `INTERNAL_TLS_${missing}_FILE is missing: INTERNAL_TLS_${given}_FILE is set, and TLS needs both. Set both or neither.`,
    );
    return undefined;
  }
  if (shared)
    problems.push(
      'INTERNAL_TLS_CERT_FILE: the listener that both share is plain http. Give the internal one its own INTERNAL_PORT and an https INTERNAL_URL, or leave TLS out.',
    );
  else if (internalUrl && internalUrl.protocol !== 'https:')
    problems.push('INTERNAL_URL must be https where INTERNAL_TLS_CERT_FILE is set: that listener speaks nothing else.');
  const files = { certFile, keyFile };
  const fault = findPairFault(files);
  if (fault !== undefined) problems.push(fault);
  return files;
}

export function readBounds(
  values: BoundValues,
  surroundings: { shared: boolean; loopback: boolean; internalUrl: URL | undefined },
  problems: string[],
): Bounds {
  const trustProxy = values.TRUST_PROXY?.split(',');
  for (const range of trustProxy ?? []) {
    const fault = findRangeFault(range);
    if (fault !== undefined)
      problems.push(`TRUST_PROXY: ${fault}; name the proxies alone, e.g. 10.0.3.7 or 10.0.3.0/24.`);
  }
  return {
    trustProxy,
    internalTls: readTls(values, surroundings, problems),
    connections: {
      public: Number(values.PUBLIC_MAX_CONNECTIONS ?? 4096),
      internal: Number(values.INTERNAL_MAX_CONNECTIONS ?? 4096),
      perAddress: Number(values.MAX_CONNECTIONS_PER_ADDRESS ?? 1024),
    },
    rates: {
      perClient: Number(values.RATE_LIMIT_PER_CLIENT ?? 1000),
      failuresPerAddress: Number(values.RATE_LIMIT_FAILURES_PER_ADDRESS ?? 200),
    },
    drainMs: Number(values.DRAIN_SECONDS ?? (surroundings.loopback ? 0 : 5)) * 1000,
  };
}
