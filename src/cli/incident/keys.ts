// A signing key leaked: of one connection, or the platform's.
import type { Api } from '../api.ts';
import { segment } from '../api.ts';
import { FLUSH, type Incident, type Plan } from './plan.ts';
import type { Owner } from './notice.ts';
import { outageOf, readPolicy, readRings, readWhich, revocationStep, type Which } from './revocations.ts';

const latest = (times: readonly (string | undefined)[]): string | undefined =>
  times.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a), undefined);

export async function planConnectionKey(
  api: Api,
  connection: string,
  which: Which,
  incident: Incident,
  now: number,
): Promise<Plan> {
  const owner = (await api.get(`/v1/connections/${segment(connection)}`)) as Owner;
  const rings = await readRings(api, owner.issuer.id);
  readWhich(rings, which);
  const policy = await readPolicy(api);
  const at = { before: incident.before, seasoning: policy.seasoning_seconds, now };
  const outage = latest(rings.map((ring) => outageOf(ring, which, at)));
  const burnt = new Set(which.kid ?? rings.flatMap((ring) => ring.keys.map(({ kid }) => kid)));
  return {
    leaked: [
      `A key that signs web identity tokens for connection ${owner.id} (AWS account ${owner.aws.account_id}) may be known to somebody.`,
      `Whoever has it can assume ${owner.aws.role_arn} directly at AWS STS, for as long as AWS accepts the key, and each session lives for up to 12 h; no other connection is concerned.`,
    ],
    steps: [revocationStep(rings, which, incident, policy)],
    ...(outage === undefined ? {} : { outage: `this connection's exchanges may be refused by AWS until ${outage}` }),
    besides: ['Send the notice to the owner of the account: sessions that were made cannot be ended from here.', FLUSH],
    question: {
      filter: { connection: owner.id },
      token: () => false,
      exchange: ({ kid }) => typeof kid === 'string' && burnt.has(kid),
    },
    notices: { connection: owner.id },
    complete: true,
    proof: async (asked) => {
      const keys = (await readRings(asked, owner.issuer.id)).flatMap((ring) => ring.keys);
      const proofs = keys.filter(({ kid, state }) => burnt.has(kid) && state === 'revoked').map(({ proof }) => proof);
      if (!proofs.every((proof) => proof?.about === 'revocation' && proof.outcome === 'proved')) return undefined;
      return latest(proofs.map((proof) => proof?.first_refused_at));
    },
  };
}

export async function planPlatformKey(api: Api, which: Which, incident: Incident, now: number): Promise<Plan> {
  const rings = await readRings(api, 'platform');
  readWhich(rings, which);
  const policy = await readPolicy(api);
  const at = { before: incident.before, seasoning: policy.seasoning_seconds, now };
  const outage = latest(rings.map((ring) => outageOf(ring, which, at)));
  const burnt = new Set(which.kid ?? rings.flatMap((ring) => ring.keys.map(({ kid }) => kid)));
  const step = revocationStep(rings, which, incident, policy);
  return {
    leaked: [
      'A key of the platform, which signs workload tokens, may be known to somebody.',
      'Whoever has it and reaches the internal listener can be any workload and any administrator here, and any workload at services of yours that verify our tokens.',
    ],
    steps: [
      {
        ...step,
        means: [
          ...step.means,
          'Every workload token that is out dies with it: each workload is refused once, gets another token and goes on. Tokens of administrators too.',
        ],
      },
    ],
    ...(outage === undefined
      ? {}
      : {
          outage: `services of yours that verify workload tokens may refuse them until ${outage}; this service itself does not`,
        }),
    besides: [
      'Look at every exchange with a token of which there is no record (below): it was not minted here.',
      'Look at the administrative acts since then (`countersign audit`): an administrator may have been somebody else.',
      FLUSH,
    ],
    question: { filter: {}, token: ({ kid }) => typeof kid === 'string' && burnt.has(kid) },
    notices: 'used',
  };
}
