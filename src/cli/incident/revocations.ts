// The step that takes keys of one ring out of use, and what is known of it beforehand.
import { iso } from '../../clock.ts';
import type { Api } from '../api.ts';
import { segment } from '../api.ts';
import { usage } from '../failure.ts';
import { given } from '../options.ts';
import type { Policy } from '../key-arithmetic.ts';
import type { Key, Ring } from '../key-timeline.ts';
import type { Done, Incident, Step } from './plan.ts';

export interface Which {
  kid?: string[] | undefined;
  allBurnt?: true | undefined;
}

interface Revoked {
  warnings?: string[];
  revoked_at?: string;
  forgeries_until?: string;
  outage_until?: string;
}

export const readRings = async (api: Api, issuer: string): Promise<Ring[]> =>
  ((await api.get(`/v1/keys/${segment(issuer)}`)) as { items: Ring[] }).items;

export const readPolicy = async (api: Api): Promise<Policy> => (await api.get('/v1/key-policy')) as Policy;

const later = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined || (b !== undefined && b > a) ? b : a;
const isPublished = ({ state }: Key): boolean => ['standby', 'active', 'verify_only'].includes(state);

/** What is published from `before` on is younger than the leak, or was made by an earlier run. */
const isBurnt = (key: Key, before: string): boolean => isPublished(key) && key.published_at < before;

/** Until when callers may be refused if this is done now; undefined where nobody is. */
export function outageOf(
  ring: Ring,
  { kid = [], allBurnt }: Which,
  { before, seasoning, now }: { before: string; seasoning: number; now: number },
): string | undefined {
  const of = (state: string): Key | undefined => ring.keys.find((key) => key.state === state);
  const [active, standby] = [of('active'), of('standby')];
  const goes = (key: Key): boolean => (allBurnt ? isBurnt(key, before) : kid.includes(key.kid));
  if (!active || !standby || !goes(active)) return undefined;
  if (goes(standby)) return iso(now + seasoning * 1000);
  return Date.parse(standby.seasoned_at) > now ? standby.seasoned_at : undefined;
}

/** @throws Failure (usage) that names the keys there are, where none or an unknown one is named */
export function readWhich(rings: readonly Ring[], which: Which): void {
  const keys = rings.flatMap((ring) => ring.keys);
  const hint = `Published: ${keys
    .filter(isPublished)
    .map(({ kid, state }) => `${kid} (${state})`)
    .join(', ')}.`;
  if ((which.kid === undefined) === (which.allBurnt === undefined))
    throw usage('Say which key leaked: --kid, or --all-burnt where the standby may have leaked too.', hint);
  const unknown = which.kid?.find((kid) => !keys.some((key) => key.kid === kid));
  if (unknown !== undefined) throw usage(`${unknown} is no key of this ring.`, hint);
}

async function revokeOne(api: Api, issuer: string, key: Key): Promise<Revoked & { said: string }> {
  const now = (await readRings(api, issuer)).flatMap((ring) => ring.keys).find(({ kid }) => kid === key.kid);
  if (now?.state === 'revoked')
    return { revoked_at: now.revoked_at as string, said: `${key.kid} was revoked at ${now.revoked_at}` };
  if (now?.state === 'removed') return { said: `${key.kid} had left the JWKS at ${now.removed_at}` };
  const body = { kid: key.kid, accept_outage: true };
  const answer = (await api.send('POST', `/v1/keys/${segment(issuer)}/revoke`, body)) as Revoked;
  return { ...answer, said: `revoked ${key.kid}` };
}

async function revokeBurnt(api: Api, ring: Ring, before: string): Promise<Revoked & { said: string; kids: string[] }> {
  const body = given({ all_burnt: true, published_before: before, algorithm: ring.algorithm, accept_outage: true });
  const answer = (await api.send('POST', `/v1/keys/${segment(ring.issuer)}/revoke`, body)) as Revoked & {
    changed: boolean;
    revoked: { kid: string }[];
  };
  const kids = answer.revoked.map(({ kid }) => kid);
  const said = answer.changed ? `revoked ${kids.length} keys of ${ring.id}` : `${ring.id} was done before`;
  return { ...answer, said, kids };
}

/** Revokes what was named; what was done before stays done. The outage was accepted before this. */
export function revocationStep(rings: readonly Ring[], which: Which, { before }: Incident, policy: Policy): Step {
  const refused = rings.flatMap(({ keys }) =>
    keys.filter(({ state, proof }) => state === 'standby' && proof?.outcome === 'refused' && !which.allBurnt),
  );
  const {
    verifier_cache_seconds: a,
    oldest_served_seconds: d,
    clock_error_seconds: e,
    seasoning_seconds: forgeries,
  } = policy;
  return {
    title: which.allBurnt
      ? `Revoke every key of ${rings.map(({ id }) => id).join(', ')} that was published before ${before}; fresh keys sign`
      : `Revoke ${which.kid?.join(', ')}; the standby signs`,
    means: [
      'From the commit on nothing that it signed verifies here, and it is not in the JWKS any more.',
      `A verifier that holds an older JWKS may accept forgeries for A + D + e = ${a} + ${d} + ${e} = ${forgeries} s more.`,
      ...refused.map(
        ({ kid }) => `AWS STS refuses the standby ${kid}: revoke it first, or callers are refused where it signs.`,
      ),
    ],
    run: async (api): Promise<Done> => {
      const done: Done = { at: '', what: '', kids: [] };
      const said: string[] = [];
      const add = (each: Revoked & { said: string }, kids: readonly string[]): void => {
        said.push(each.said, ...(each.warnings ?? []).map((warning) => `warning: ${warning}`));
        done.kids?.push(...kids);
        done.at = later(done.at, each.revoked_at) ?? '';
        done.forgeries_until = later(done.forgeries_until, each.forgeries_until);
        done.outage_until = later(done.outage_until, each.outage_until);
      };
      for (const ring of rings) {
        if (which.allBurnt) {
          const each = await revokeBurnt(api, ring, before);
          add(each, each.kids);
        } else
          for (const key of ring.keys)
            if (which.kid?.includes(key.kid)) add(await revokeOne(api, ring.issuer, key), [key.kid]);
      }
      // Done before: when, the ring says.
      if (done.at === '') done.at = before;
      return {
        ...done,
        forgeries_until: done.forgeries_until ?? iso(Date.parse(done.at) + forgeries * 1000),
        what: `${said.join('; ')}.`,
      };
    },
  };
}
