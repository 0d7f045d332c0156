// The model of rotation and the years of a ring's life: what they find in the service's own code.
import { type Defence, provenBy } from './defence.ts';

const MODEL = 'test/model/model.test.ts';
const LIFE = 'test/life/life.test.ts';
const policy = 'src/keys/policy.ts';

export const model: Defence[] = [
  ...provenBy(MODEL, 'whatever happens in which order, every promise holds', [
    {
      name: 'model.seasoning',
      promise: 'a token verifies at every verifier whose cache is at most A old: A + D + e, and not one unit less',
      file: policy,
      find: 'policy.verifierCache + policy.oldestServed + policy.clockError',
      replace: 'policy.verifierCache + policy.oldestServed',
    },
    {
      name: 'model.retirement',
      promise: 'a token verifies until exp + S: R + T + S + e, and not one unit less',
      file: policy,
      find: 'policy.oldestSigned + LONGEST_LIFE[purpose] + LEEWAY + policy.clockError',
      replace: 'policy.oldestSigned + LONGEST_LIFE[purpose] + LEEWAY',
    },
  ]),
  ...provenBy(LIFE, 'whatever happens to a ring over years, no token of an unrevoked key is refused', [
    {
      name: 'years.seasoned',
      promise: 'over years: no key signs before every verifier may know it',
      file: 'src/keys/conditions.ts',
      find: 'standby && seasonedAt(standby, policy) > now',
      replace: 'standby && false',
    },
    {
      name: 'years.retired',
      promise: 'over years: a key is published as long as a token of it lives',
      file: 'src/keys/rotate.ts',
      find: 'now + retirement(policy, ring.purpose)',
      replace: 'now + policy.oldestSigned',
    },
    {
      name: 'years.view-signed',
      promise: 'over years: nobody signs by a view of age R',
      file: 'src/keys/view.ts',
      find: 'clock.monotonic() - anchor.sent >= oldestSigned',
      replace: 'false',
    },
    {
      name: 'years.view-served',
      promise: 'over years: nobody serves a view of age D',
      file: 'src/keys/view.ts',
      find: '(anchor ?? restored) !== undefined && servedAge() < policy().oldestServed',
      replace: '(anchor ?? restored) !== undefined',
    },
  ]),
];
