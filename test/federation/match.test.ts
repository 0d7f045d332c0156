// Which token has which identity: nothing missing and no list ever matches, and what could have one token is found beforehand.
import fc from 'fast-check';
import t from 'tap';
import { matches, overlap, type Rule, subjectsThatTake } from '../../src/identities/match.ts';

const name = fc.constantFrom('a', 'b', 'toString', '/n/a', '/n/b', '/n/m/a', '/x~1y/a', '/n/0', '/n/length');
const value = fc.constantFrom<string | number | boolean>('x', 'y', '', 'x,y', 0, 1, true, false);
const step = fc.constantFrom('a', 'b', 'x', 'ab');
const subject = fc
  .tuple(fc.array(step, { minLength: 1, maxLength: 3 }), fc.constantFrom(':', '/'))
  .map(([steps, by]) => steps.join(by));
const rule: fc.Arbitrary<Rule> = fc.record({
  subject: fc.oneof(
    subject,
    subject.map((text) => `${text.replace(/[^:/]*$/, '')}*`).filter((text) => text.length > 1),
  ),
  claims: fc.dictionary(name, value, { maxKeys: 3, noNullPrototype: true }),
});
const json: fc.Arbitrary<unknown> = fc.oneof(value, fc.constant(null), fc.array(value, { maxLength: 2 }));
const object = fc.dictionary(fc.constantFrom('a', 'b', 'm', 'toString'), json, { maxKeys: 3, noNullPrototype: true });
const payload = fc.record(
  {
    ...{
      a: json,
      b: json,
      n: fc.oneof(json, object, fc.record({ a: json, b: json, m: fc.oneof(object, fc.array(object)) })),
    },
    'x/y': object,
  },
  { requiredKeys: [] },
);

/** By hand, and another way than the code: the value at a path whose every step is an own member of an object. */
function at(token: Record<string, unknown>, claim: string): unknown[] {
  const steps = claim.startsWith('/')
    ? claim
        .split('/')
        .slice(1)
        .map((part) => part.replace('~1', '/'))
    : [claim];
  return steps.reduce<unknown[]>(
    (found, part) =>
      found.flatMap((each) =>
        Object.prototype.toString.call(each) === '[object Object]'
          ? Object.entries(each as object).flatMap(([key, one]) => (key === part ? [one] : []))
          : [],
      ),
    [token],
  );
}

t.test('no claim match is satisfied by a missing claim or by a list', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(rule, subject, payload, fc.boolean(), (drawn, sub, token, same) => {
        const wanted = same ? { ...drawn, subject: sub } : drawn;
        const all = Object.entries(wanted.claims).every(([claim, want]) =>
          at(token, claim).some((found) => found === want),
        );
        const prefix = wanted.subject.endsWith('*') ? wanted.subject.slice(0, -1) : undefined;
        const named = prefix === undefined ? sub === wanted.subject : sub.startsWith(prefix) && sub !== prefix;
        return matches(wanted, sub, token) === (all && named);
      }),
      { numRuns: 3000 },
    ),
  );
});

/** A token, and two rules that take it more often than chance would have it. */
const held = fc.tuple(subject, payload).chain(([sub, token]) => {
  const claims = ['a', 'b', '/n/a', '/n/b', '/x~1y/a'].flatMap((claim) => {
    const [value] = at(token, claim);
    return ['string', 'number', 'boolean'].includes(typeof value) ? [[claim, value] as [string, string]] : [];
  });
  const one = fc.record({
    subject: fc.constantFrom(...subjectsThatTake(sub)),
    claims: fc.subarray(claims).map((some): Rule['claims'] => Object.fromEntries(some)),
  });
  return fc.tuple(fc.constant(sub), fc.constant(token), fc.oneof(one, rule), one);
});

t.test('two rules that one token satisfies overlap, and are found by its subject', async (t) => {
  let both = 0;
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(held, ([sub, token, one, other]) => {
        if (!matches(one, sub, token) || !matches(other, sub, token)) return true;
        both += 1;
        const near = subjectsThatTake(sub);
        return near.includes(one.subject) && near.includes(other.subject) && overlap(one, other) && overlap(other, one);
      }),
      { numRuns: 3000 },
    ),
  );
  t.ok(both > 300, `${both} of them satisfied both`);
  const taken = { subject: 'repo:a/b:*', claims: { repository_id: '1' } };
  t.notOk(overlap(taken, { subject: 'repo:a/b:ref', claims: { repository_id: '2' } }), 'told apart by a claim');
  t.notOk(overlap(taken, { subject: 'repo:a/bc:ref', claims: {} }), 'and by the subject');
});
