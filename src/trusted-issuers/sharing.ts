// Clusters that all say the same `iss`: told apart by the keys that were pasted of them, or not trusted at all.
import { Problem } from '../errors.ts';
import { publicBytes } from '../keys/algorithms.ts';
import { readPasted } from './jwks.ts';
import type { TrustedIssuer } from './store.ts';

type Sharing = Pick<TrustedIssuer, 'id' | 'name' | 'kind' | 'issuer' | 'jwks' | 'one_time'>;

const mayShare = ({ jwks, one_time }: Sharing): boolean => jwks !== null && !one_time;

/**
 * Which of those with its `iss` can have signed a token: the only one, or the only one whose pasted keys have its kid.
 * None where another is fetched, takes tokens once or has that kid too, whatever was let in: one would be taken for another.
 */
export function findSigner<I extends Sharing>(
  issuers: readonly I[],
  { issuer, kid }: { issuer: string; kid: string },
): I | undefined {
  const named = issuers.filter((one) => one.issuer === issuer);
  if (named.length < 2) return named[0];
  if (!named.every(mayShare)) return undefined;
  const [holding, ...more] = named.filter(({ jwks }) => jwks?.keys.some((key) => key['kid'] === kid));
  return more.length === 0 ? holding : undefined;
}

/** @param others with the same `iss` @throws Problem `trusted_issuer_exists`, `trusted_issuer_refused` */
export function requireApart(issuer: Sharing, others: readonly Sharing[]): void {
  const [first] = others;
  if (!first) return;
  if (issuer.jwks === null || others.some(({ jwks }) => jwks === null))
    throw new Problem('trusted_issuer_exists', `${first.name} has the issuer ${issuer.issuer} as well.`, {
      hint: 'Several share an iss only where the JWKS of each is pasted: then a token is of the one that has its key.',
    });
  if (![issuer, ...others].every(mayShare))
    throw new Problem('trusted_issuer_refused', 'Issuers that share an iss cannot be one-time.', {
      hint: 'Set one_time to false for each, or give this one an iss of its own.',
    });
  const mine = readPasted(issuer);
  const bytes = new Set([...mine.values()].map(({ key }) => publicBytes(key).toString('base64')));
  for (const other of others)
    for (const [kid, { key }] of readPasted(other))
      if (mine.has(kid) || bytes.has(publicBytes(key).toString('base64')))
        throw new Problem('trusted_issuer_exists', `${other.name} has the key ${kid} as well, with the same iss.`, {
          hint: 'A token of one would be taken for one of the other: make a new signing key in one of the clusters.',
        });
}
