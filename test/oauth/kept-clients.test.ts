// Clients as oidc-provider is given them: kept while their keys stay the same, and never missing.
import { generateKeyPairSync } from 'node:crypto';
import Provider, { type JWK } from 'oidc-provider';
import t from 'tap';
import { EmptyAdapter } from '../../src/oauth/adapter.ts';
import { keepClients } from '../../src/oauth/kept-clients.ts';
import type { ClientRow } from '../../src/oauth/store.ts';

const KEY = { kty: 'EC', crv: 'P-256', x: 'eA', y: 'eQ', alg: 'ES256' };
const ID = `wl_${'a'.repeat(26)}`;

function row(keys: Record<string, unknown>[], changes: Partial<ClientRow> = {}): ClientRow {
  const columns = {
    id: ID,
    kind: 'workload',
    slug: 'x',
    state: 'active',
    scopes: [],
    audiences: [],
    version: 1,
    epoch: 1,
  } as const;
  return { ...columns, jwks: { keys }, ...changes } as ClientRow;
}

function setUp() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const provider = new Provider('https://id.test', {
    adapter: EmptyAdapter,
    jwks: { keys: [privateKey.export({ format: 'jwk' }) as JWK] },
    clientAuthMethods: ['private_key_jwt'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { clientAuthSigningAlgValues: ['ES256'], idTokenSigningAlgValues: ['ES256'] },
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    responseTypes: [],
  });
  let request: { client: ClientRow | undefined; now: number } = { client: undefined, now: 0 };
  keepClients(provider, () => request);
  return async (client: ClientRow | undefined, now = 0, id = ID) => {
    request = { client, now };
    const found = (await provider.Client.find(id)) as unknown as {
      clientId: string;
      asymmetricKeyStore: Iterable<{ kid?: string; x: string }>;
    };
    return { found, kids: [...found.asymmetricKeyStore].map((key) => key.kid) };
  };
}

t.test('one that is not there has a key that nobody has, as has one whose keys are all dead', async (t) => {
  const find = setUp();
  const unknown = await find(undefined);
  t.equal(unknown.found.clientId, ID);
  t.same(unknown.kids, [undefined], 'a key to check the signature with');
  const another = await find(row([{ ...KEY, kid: 'a' }]), 0, `wl_${'b'.repeat(26)}`);
  t.equal(another.found.clientId, `wl_${'b'.repeat(26)}`);
  t.same(another.kids, [undefined], "never the row's of another");
  const dead = await find(row([{ ...KEY, kid: 'a', expires_at: '1970-01-01T00:00:01.000Z' }]), 1000);
  t.same(dead.kids, [undefined]);
});

t.test('it is kept over rows that say the same, and made anew when a key comes, goes or expires', async (t) => {
  const find = setUp();
  const lasting = { ...KEY, kid: 'lasting', created_at: '1970-01-01T00:00:00.000Z' };
  const ending = { ...KEY, kid: 'ending', expires_at: '1970-01-01T00:00:10.000Z' };
  const both = row([lasting, ending]);
  const first = await find(both);
  t.same(first.kids, ['lasting', 'ending']);
  t.equal((await find(both, 9_999)).found, first.found);
  t.equal(
    (await find(row([lasting, ending], { version: 2, epoch: 7 }))).found,
    first.found,
    'another row, the same keys',
  );
  t.same((await find(both, 10_000)).kids, ['lasting'], 'expired to the millisecond, in the same row');
  t.same((await find(row([lasting, ending, { ...KEY, kid: 'added' }]))).kids, ['lasting', 'ending', 'added']);
  t.same((await find(row([{ ...KEY, kid: 'lasting', x: 'eg' }]))).kids, ['lasting'], 'removed');
  t.equal(
    [...(await find(row([{ ...KEY, kid: 'lasting', x: 'eg' }]))).found.asymmetricKeyStore][0]?.x,
    'eg',
    'and not by its name alone',
  );
});
