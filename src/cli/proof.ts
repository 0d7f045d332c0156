// How each source proves who it is at the token endpoint: the part of the form that says so.
import { buildAssertion } from './assertion.ts';
import { readPrivateKey } from './jwk.ts';
import { currentSignIn } from './login/renew.ts';
import type { Outside } from './outside.ts';
import { readShown } from './shown-token.ts';
import type { Client, Source } from './source.ts';

export type ProvingSource = Extract<Source, { kind: 'client' | 'platform' | 'person' }>;

/** Parameters of the form. */
export type Proof = Record<string, string>;

const TYPES = 'urn:ietf:params:oauth:token-type:';

/** RFC 8693. */
const exchangeOf = (token: string, type: 'jwt' | 'id_token', clientId?: string): Proof => ({
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  ...{ subject_token: token, subject_token_type: `${TYPES}${type}` },
  ...(clientId === undefined ? {} : { client_id: clientId }),
});

/** RFC 7523. @param now milliseconds since the epoch. @throws Failure for a key file that cannot be used */
export function buildClientProof({ clientId, privateKeyFile }: Client, issuer: string, now: number): Proof {
  return {
    ...{ grant_type: 'client_credentials', client_id: clientId },
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: buildAssertion(readPrivateKey(privateKeyFile), clientId, issuer, now),
  };
}

/** @param issuer of the service. @throws Failure */
export async function buildProof(outside: Outside, source: ProvingSource, issuer: string): Promise<Proof> {
  switch (source.kind) {
    case 'client':
      return buildClientProof(source.client, issuer, outside.now());
    case 'platform':
      return exchangeOf(readShown(source.token), 'jwt');
    case 'person':
      return exchangeOf((await currentSignIn(outside, source.signIn)).id_token, 'id_token', source.as);
  }
}
