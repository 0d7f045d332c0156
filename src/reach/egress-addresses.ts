// Where the service may go when somebody's data names the place: the public internet, and what configuration adds.
import { createRanges } from '../http/addresses.ts';

/** Never, whatever is configured: clouds answer here with credentials of the machine, or nobody in particular does. */
const NEVER = createRanges([
  ...['0.0.0.0/8', '169.254.0.0/16', '168.63.129.16/32', '100.100.100.200/32', '192.0.0.192/32'],
  ...['224.0.0.0/4', '240.0.0.0/4', '::/128', 'fe80::/10', 'ff00::/8', 'fd00:ec2::/32', 'fd20:ce::/32'],
]);

/** IPv4 that is not everybody's (the IANA registry of special addresses): loopback, private, shared, documentation. */
const SPECIAL_4 = createRanges([
  ...['10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24'],
  ...['192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
]);

/** IPv6 that is: all else is loopback, private, mapped, translated or unassigned. */
const GLOBAL_6 = createRanges(['2000::/3']);
/** Of that, what stands for an IPv4 address or for nobody: Teredo and its neighbours, documentation, 6to4. */
const SPECIAL_6 = createRanges(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

/** @param address in any notation that `isIP` takes @param allowed what configuration adds */
export function mayGoTo(address: string, allowed: (address: string) => boolean): boolean {
  if (NEVER(address)) return false;
  if (allowed(address)) return true;
  return address.includes(':') ? GLOBAL_6(address) && !SPECIAL_6(address) : !SPECIAL_4(address);
}
