// Going out for a URL that comes from data.
import { type Defence, provenBy } from './defence.ts';

const EGRESS = 'test/reach/egress.test.ts';
const guard = 'src/reach/egress.ts';
const addresses = 'src/reach/egress-addresses.ts';

export const egress: Defence[] = [
  ...provenBy(EGRESS, 'which addresses are gone to', [
    {
      name: 'egress.special-4',
      promise: 'no private, loopback, shared or documentation IPv4 address is gone to',
      file: addresses,
      find: ': !SPECIAL_4(address)',
      replace: ': true',
    },
    {
      name: 'egress.global-6',
      promise: 'of IPv6 only what is global is gone to: no mapped, translated, local or unassigned address',
      file: addresses,
      find: 'GLOBAL_6(address) && !SPECIAL_6(address)',
      replace: '!SPECIAL_6(address)',
    },
    {
      name: 'egress.special-6',
      promise: 'no IPv6 address that stands for an IPv4 address is gone to',
      file: addresses,
      find: 'GLOBAL_6(address) && !SPECIAL_6(address)',
      replace: 'GLOBAL_6(address)',
    },
    {
      name: 'egress.never',
      promise: 'metadata addresses are never gone to, whatever is configured',
      file: addresses,
      find: 'if (NEVER(address)) return false;',
      replace: '',
    },
  ]),
  ...provenBy(EGRESS, 'an address in the URL is refused in each of its spellings, and nobody is connected to', [
    {
      name: 'egress.literal',
      promise: 'an address in a URL is looked at, though no name is resolved',
      file: guard,
      find: 'if (isIP(literal)) assertMayGo(url, [literal]);',
      replace: '',
    },
    {
      name: 'egress.user',
      promise: 'a URL with a user is not gone to',
      file: guard,
      find: "url.username !== '' || url.password !== ''",
      replace: 'false',
    },
    {
      name: 'egress.scheme',
      promise: 'nothing but http and https is asked',
      file: guard,
      find: "url.protocol !== 'https:' && url.protocol !== 'http:'",
      replace: 'false',
    },
  ]),
  {
    name: 'egress.at-connect',
    promise: 'the address that is connected to is the one that was looked at',
    file: guard,
    find: 'resolve(name).then(',
    replace: 'resolve(name).then(() => resolve(name)).then(',
    test: [EGRESS, 'a name that changes its answer is connected to where it was looked at, or not at all'],
  },
  {
    name: 'egress.every-address',
    promise: 'a name with one address that may not be gone to is not gone to',
    file: guard,
    find: 'assertMayGo(url, addresses);',
    replace: 'assertMayGo(url, addresses.slice(0, 1));',
    test: [EGRESS, 'a name that changes its answer is connected to where it was looked at, or not at all'],
  },
  {
    name: 'egress.https',
    promise: 'plain http goes to configured addresses alone',
    file: guard,
    find: "url.protocol !== 'https:' && !allowed(address)",
    replace: 'false',
    test: [EGRESS, 'plain http goes where configuration allows, and nowhere else'],
  },
  {
    name: 'egress.size',
    promise: 'no more than 64 kB of an answer are read',
    file: guard,
    find: 'maxBody: EGRESS_MAX_BODY, ',
    replace: '',
    test: [EGRESS, 'no redirect, no large body, no long wait'],
  },
  {
    name: 'egress.self-test',
    promise: 'a start whose guard lets a request through to this machine fails',
    file: 'src/service.ts',
    find: 'await assertGuarded(',
    replace: 'void (',
    test: [EGRESS, 'a start proves that the guard refuses this machine'],
  },
];
