// Which client a person means who says so by name: one of those that this sign-in is, so that no other is ever found.
import { SLUG } from '../clients/schema.ts';
import type { Prove } from '../identities/prove.ts';
import { ProofRefused } from '../trusted-issuers/refused.ts';
import type { Clients } from './clients.ts';

const NAME = new RegExp(SLUG);

/** Whether it is a name, as no id is. */
export const isName = (client: string): boolean => NAME.test(client);

/**
 * @param token of a sign-in @returns the client's id
 * @throws ProofRefused where no client of this person's has the name, or both have; Problem `unavailable`
 */
export async function findNamed(
  deps: { prove: Prove; clients: Clients },
  token: string,
  name: string,
): Promise<string> {
  const { prove, clients } = deps;
  const ids = new Set<string>();
  for (const prefers of ['ad_', 'wl_'] as const) ids.add((await prove(token, { shown: 'person', prefers })).client);
  const own = await Promise.all([...ids].map((id) => clients.find(id, () => true)));
  const rows = own.filter((row) => row !== undefined);
  const named = rows.filter(({ slug }) => slug === name);
  const [only] = named;
  if (only && named.length === 1) return only.id;
  const said = (named.length > 0 ? named : rows)
    .map(({ kind, slug, id }) => `the ${kind} ${slug} (${id})`)
    .join(' and ');
  throw new ProofRefused(
    only
      ? `"${name}" is ${said}: say by id which one is meant`
      : `who signed in is ${said}, and nobody called "${name}"`,
  );
}
