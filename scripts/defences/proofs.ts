// Proof of revocation, and the pace of all canaries.
import { type Defence, provenBy } from './defence.ts';

const REVOKED = 'test/connections/canary/revoked.test.ts';
const PACE = 'test/connections/canary/pace.test.ts';
const revoked = 'src/connections/canary/revoked.ts';
const store = 'src/connections/canary/store.ts';
const pace = 'src/connections/canary/pace.ts';
const looks = 'src/keys/canaries.ts';

export const proofs: Defence[] = [
  ...provenBy(REVOKED, 'one host that still takes it begins the count anew', [
    {
      name: 'proofs.in-a-row',
      promise: 'only refusals in a row prove a revocation',
      file: looks,
      find: 'return clear.slice(',
      replace: "return clear.filter(({ outcome }) => outcome === 'refused').slice(0 * ",
    },
  ]),
  ...provenBy(REVOKED, 'refused for as long as the active key is refused too, it proves nothing', [
    {
      name: 'proofs.revoked-alone',
      promise: 'a refusal counts where STS takes the active key’s canary',
      file: revoked,
      find: "if (active.refusal) return { id, requestId, outcome: 'unclear', refusal: active.refusal };",
      replace: '',
    },
  ]),
  ...provenBy(
    REVOKED,
    'STS takes a revoked key as long as its copy of the JWKS has it, and the report says when it stopped',
    [
      {
        name: 'proofs.destroyed',
        promise: 'a proved key’s private half is destroyed with the proof',
        file: revoked,
        find: 'if (standing.proved) await deletePrivateKey(trx, kid);',
        replace: 'void deletePrivateKey;',
      },
      {
        name: 'proofs.dropped',
        promise: 'and leaves the memory of the process',
        file: revoked,
        find: 'if (destroyed) drop(kid);',
        replace: 'void [destroyed, drop];',
      },
    ],
  ),
  ...provenBy(
    REVOKED,
    'one replica at a time shows a key’s canaries; what a killed one left is another’s after its lease',
    [
      {
        name: 'proofs.leased',
        promise: 'one replica at a time',
        file: store,
        find: 'and (leased_until is null or leased_until <= ${time(now)})',
        replace: '',
      },
    ],
  ),
  ...provenBy(REVOKED, 'an answer that comes after the lease has passed on changes nothing', [
    {
      name: 'proofs.lease-stands',
      promise: 'a late answer changes nothing',
      file: store,
      find: "    .where('leased_until', '=', new Date(until))\n",
      replace: '',
    },
  ]),
  ...provenBy(REVOKED, 'where a bucket or CDN is in front, its copy goes first; sealed, nothing is minted', [
    {
      name: 'proofs.published-first',
      promise: 'a published copy goes before STS is asked',
      file: revoked,
      find: '|| !(await publishedWithout(kid))',
      replace: '|| (await publishedWithout(kid), false)',
    },
  ]),
  ...provenBy(
    'test/keys/canaries.test.ts',
    'a revocation: so many refusals in a row prove it, and the times are those of the last turn',
    [
      {
        name: 'proofs.refusals',
        promise: 'one refusal proves no revocation',
        file: looks,
        find: 'proved: refused.length >= REFUSALS',
        replace: 'proved: refused.length >= 1',
      },
    ],
  ),
  ...provenBy(
    PACE,
    'a hundred thousand rotations at once: four looks at a time, ten a second, and nobody waits for long',
    [
      {
        name: 'proofs.at-once',
        promise: 'a few looks at STS at once',
        file: pace,
        find: 'if (running < atOnce) {',
        replace: 'if (running < atOnce * 1e6) {',
      },
      {
        name: 'proofs.a-second',
        promise: 'so many begun in a second',
        file: pace,
        find: 'if (latest > now) await sleep(latest - now);',
        replace: '',
      },
    ],
  ),
  ...provenBy(PACE, 'while STS throttles nobody looks, those in the line included', [
    {
      name: 'proofs.rest',
      promise: 'none while STS throttles',
      file: pace,
      find: 'clock.monotonic() < restsUntil',
      replace: 'clock.monotonic() < restsUntil - 1e9',
    },
  ]),
];
