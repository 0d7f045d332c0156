// Where else the service may go, from the environment. A leaf of the configuration.
import { Type } from 'typebox';
import { createRanges, findRangeFault } from '../http/addresses.ts';

export const EGRESS_VARIABLES = {
  EGRESS_ALLOW_CIDRS: Type.Optional(
    Type.String({
      pattern: '^[0-9A-Fa-f.:/]+(,[0-9A-Fa-f.:/]+)*$',
      description:
        'private addresses or CIDR ranges where trusted issuers may be, separated by commas; they may be plain http there; the public internet alone unless given',
    }),
  ),
};

export interface EgressSettings {
  allowed(address: string): boolean;
  /** Whether configuration lets the service go to itself: with a loopback ISSUER_URL alone. */
  toItself: boolean;
}

export function readEgress(
  { EGRESS_ALLOW_CIDRS }: { EGRESS_ALLOW_CIDRS?: string | undefined },
  loopback: boolean,
  problems: string[],
): EgressSettings {
  const ranges = EGRESS_ALLOW_CIDRS?.split(',') ?? [];
  const faults = ranges.flatMap((range) => findRangeFault(range) ?? []);
  problems.push(
    ...faults.map((fault) => `EGRESS_ALLOW_CIDRS: ${fault}; name where the issuers are, e.g. 10.0.3.0/24.`),
  );
  const allowed = createRanges(faults.length > 0 ? [] : ranges);
  const toItself =
    ['127.0.0.1', '127.255.255.255', '::1', '::ffff:127.0.0.1'].some(allowed) || ranges.some(isInLoopback);
  if (toItself && !loopback)
    problems.push(
      'EGRESS_ALLOW_CIDRS names loopback: what listens on this machine is nobody to fetch keys from. Only a loopback ISSUER_URL may.',
    );
  return { allowed, toItself };
}

const inLoopback = createRanges(['127.0.0.0/8', '::1/128']);

function isInLoopback(range: string): boolean {
  return inLoopback(range.split('/')[0] as string);
}
