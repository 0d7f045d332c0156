// Addresses of callers: ranges that configuration names, and what counts as one caller.
import { BlockList, isIP } from 'node:net';

/** What is wrong with an address or CIDR range; undefined where nothing is. */
export function findRangeFault(range: string): string | undefined {
  const [address = '', length, ...rest] = range.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return `${range} is no IP address and no CIDR range`;
  if (length === undefined) return undefined;
  const bits = family === 4 ? 32 : 128;
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits)
    return `${range} has a prefix that is not within 1 and ${bits}`;
  if (Number(length) === 0) return `${range} is everybody`;
  return undefined;
}

/** @param ranges without fault */
export function createRanges(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', length] = range.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    list.addSubnet(address, length === undefined ? (family === 'ipv4' ? 32 : 128) : Number(length), family);
  }
  return (address) => isIP(address) !== 0 && list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

/** Proxies that put ports into X-Forwarded-For: each connection of a caller would be somebody else, and a proxy before them no proxy. */
const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]+)\](?::\d+)?)$/;

export function withoutPort(said: string): string {
  const [, ipv4, ipv6] = WITH_PORT.exec(said) ?? [];
  return ipv4 ?? ipv6 ?? said;
}

/** IPv4 as it is, mapped or not; of IPv6 the first 64 bits, for whoever has one address of a network has all of them. */
export function callerOf(said: string): string {
  const address = withoutPort(said);
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const groups = head === '' ? [] : head.split(':');
  const after = tail ? tail.split(':') : [];
  if (tail !== undefined) while (groups.length + after.length < 8) groups.push('0');
  return `${[...groups, ...after]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
