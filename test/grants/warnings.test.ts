// What is said of a grant's limits when they are written.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { warningsOf } from '../../src/grants/warnings.ts';

const LIMITS = { max_session_seconds: 3600, session_policy: null, policy_arns: [], tags: {} };
const codes = (changes: object): string[] => warningsOf({ ...LIMITS, ...changes }).map(({ code }) => code);
const arn = (index: number): string => `arn:aws:iam::aws:policy/job-function/${'x'.repeat(60)}${index}`;
const allow = (actions: string[]) => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }],
});

t.test('warnings are for what AWS and its SDKs make little of', async (t) => {
  const ten = Array.from({ length: 10 }, (_, index) => arn(index));
  const actions = Array.from({ length: 60 }, (_, index) => `s3:GetObject${index}`);
  const random = Object.fromEntries(Array.from({ length: 14 }, (_, n) => [`k${n}`, randomBytes(96).toString('hex')]));
  t.same(codes({}), []);
  t.same(codes({ max_session_seconds: 1800 }), []);
  t.same(codes({ max_session_seconds: 1799 }), ['short_ceiling']);
  t.same(codes({ policy_arns: ten }), []);
  t.same(codes({ policy_arns: ten, session_policy: allow(actions) }), ['policies_may_not_fit']);
  t.same(codes({ tags: random }), ['packed_size_near_limit']);
  t.match(warningsOf({ ...LIMITS, max_session_seconds: 900 }), [{ detail: /of 900 s/ }]);
});
