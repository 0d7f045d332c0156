// Scene: signing keys rotate, and whoever holds a token or asks for one notices nothing.
import { DEFAULT_POLICY } from '../../keys/policy.ts';
import { expectEqual, expectRefusal, expectThat, tellRefusal } from '../expect.ts';
import type { Tell } from '../runner.ts';
import { short } from './credentials.ts';
import type { House } from './house.ts';

interface Policy {
  verifier_cache_seconds: number;
  oldest_served_seconds: number;
  oldest_signed_seconds: number;
  clock_error_seconds: number;
  seasoning_seconds: number;
  period_seconds: number;
}

const clockOf = (at: string): string => `${at.slice(11, 19)} UTC`;
const time = (seconds: number): string => (seconds >= 3600 ? `${seconds / 3600} h` : `${seconds} s`);

/** What the times of this demo are, beside those of production. */
export async function showPolicy({ api, sandbox }: House, tell: Tell): Promise<Policy> {
  const policy = (await api.get('/v1/key-policy')) as Policy;
  const {
    verifier_cache_seconds: a,
    oldest_served_seconds: d,
    oldest_signed_seconds: r,
    clock_error_seconds: e,
  } = policy;
  expectEqual('A + D + e', policy.seasoning_seconds, a + d + e);
  expectEqual("how long AWS's copy of a JWKS is used here", sandbox.options.jwksCacheSeconds, a);
  const line = (name: string, here: number, production: number, what: string): void =>
    tell(`${name} = ${time(here)} (production: ${time(production / 1000)}): ${what}`);
  line('A', a, DEFAULT_POLICY.verifierCache, 'how long a verifier may use its copy of our public keys');
  line('D', d, DEFAULT_POLICY.oldestServed, 'the oldest copy that we may still serve');
  line('R', r, DEFAULT_POLICY.oldestSigned, 'the oldest view of the keys that anybody may sign with');
  line('e', e, DEFAULT_POLICY.clockError, 'clocks, and the way to a commit');
  tell(`A new key may sign once it has been public for A + D + e = ${policy.seasoning_seconds} s.`);
  tell(
    `By itself, a ring rotates every ${time(policy.period_seconds)} (production: ${DEFAULT_POLICY.period / 86_400_000} days).`,
  );
  return policy;
}

interface Rotated {
  kid: string;
  predecessor: string;
  predecessor_removed_at: string;
}

async function keyState({ api }: House, issuer: string, kid: string): Promise<string | undefined> {
  const { items } = (await api.get(`/v1/keys/${issuer}`)) as { items: { keys: { kid: string; state: string }[] }[] };
  return items.flatMap((ring) => ring.keys).find((key) => key.kid === kid)?.state;
}

/** `countersign key rotate <issuer> --now`. @param before the key that signs until now */
export async function rotateNow(house: House, issuer: string, before: string, tell: Tell): Promise<string> {
  const rotated = (await house.api.send('POST', `/v1/keys/${issuer}/rotate`, { now: true })) as Rotated;
  expectEqual('the key that signed until now', rotated.predecessor, before);
  expectThat(rotated.kid !== before, 'Another key must sign from now on.');
  expectEqual('what the new key is', await keyState(house, issuer, rotated.kid), 'active');
  expectEqual('what the old key is', await keyState(house, issuer, before), 'verify_only');
  tell(
    `key ${short(before)} -> key ${short(rotated.kid)}; the old one stays published until ${clockOf(rotated.predecessor_removed_at)}`,
  );
  return rotated.kid;
}

/** The next standby was published a moment ago: verifiers may not have it yet, so it must not sign. */
export async function rotateTooSoon({ api }: House, issuer: string, tell: Tell): Promise<void> {
  const rotation = api.send('POST', `/v1/keys/${issuer}/rotate`, { now: true });
  tellRefusal(tell, await expectRefusal(409, 'standby_unseasoned', rotation));
}
