// What AWS STS said of a key, in words: a standby before it signs, a revoked key until it is refused.
export interface Proof {
  about: 'standby' | 'revocation';
  outcome: 'accepted' | 'refused' | 'unclear' | 'under_way' | 'proved' | 'unproved';
  at: string;
  looks: number;
  code?: string;
  request_id?: string;
  last_accepted_at?: string;
  first_refused_at?: string;
}

function revocationWords({ outcome, looks, code, last_accepted_at: taken, first_refused_at: refused }: Proof): string {
  const seen =
    refused === undefined ? (taken === undefined ? '' : `, taken until ${taken}`) : `, refused from ${refused}`;
  if (outcome === 'proved') return `stopped taking it: last taken ${taken ?? 'before the first look'}${seen}`;
  if (outcome === 'under_way') return looks === 0 ? 'not asked yet' : `asked until it is refused${seen}`;
  return `no proof (${code ?? 'unknown'})${seen}`;
}

export function proofWords(proof: Proof): string {
  if (proof.about === 'revocation') return revocationWords(proof);
  if (proof.outcome === 'accepted') return `took it ${proof.at}`;
  if (proof.outcome === 'refused') return `refuses it (${proof.code ?? 'unknown'}) ${proof.at}`;
  return `said nothing of it (${proof.code ?? 'unknown'})`;
}
