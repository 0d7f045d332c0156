// A bare oidc-provider as the issuer of a workload: its real tokens are taken, and what it made for others is not.
import * as openid from 'openid-client';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import t from 'tap';
import { createRanges } from '../../src/http/addresses.ts';
import { createEgress } from '../../src/reach/egress.ts';
import { createIssuerKeys, FETCH_EVERY_MS } from '../../src/trusted-issuers/keys.ts';
import type { TrustedIssuer } from '../../src/trusted-issuers/store.ts';
import { COMMAND, startCompany, WIKI } from '../support/company.ts';
import { keepShown } from '../support/known-secrets.ts';
import { browse } from '../support/person.ts';
import { createStandInKey } from '../support/stand-in-issuer.ts';
import { openFederation } from './world.ts';

/** An ID token of one of its public clients, by code and PKCE. */
async function signIn(url: string, clientId: string, login: string): Promise<string> {
  const company = await openid.discovery(new URL(url), clientId, undefined, openid.None());
  const pkceCodeVerifier = openid.randomPKCECodeVerifier();
  const start = openid.buildAuthorizationUrl(company, {
    ...{ scope: 'openid email', redirect_uri: 'http://127.0.0.1/callback', code_challenge_method: 'S256' },
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
  });
  let landed: URL | undefined;
  const detour = (away: URL): URL => {
    landed = away;
    return new URL('/.well-known/openid-configuration', url);
  };
  await browse(start.href, login, { detour });
  const tokens = await openid.authorizationCodeGrant(company, landed as URL, { pkceCodeVerifier });
  keepShown('of a company', JSON.stringify(tokens));
  return tokens.id_token as string;
}

t.test('a job shows the access token that its company gives it', async (t) => {
  const company = await startCompany(t);
  const federation = await openFederation(t);
  const { issuerUrl } = federation.service.config;
  await federation.trust({ name: 'acme', kind: 'oidc', issuer: company.url });
  const billing = await federation.register('billing');
  await federation.identify(billing.id, { trusted_issuer: 'acme', subject: 'billing-job' });

  const token = await company.jobToken(issuerUrl);
  t.match(decodeProtectedHeader(token), { typ: 'at+jwt', alg: 'RS256', kid: company.keys[0]?.kid });
  t.match(decodeJwt(token), { iss: company.url, sub: 'billing-job', aud: issuerUrl, client_id: 'billing-job' });
  const answer = await federation.exchange(token);
  t.match(answer, { status: 200 }, JSON.stringify(answer.body));
  t.equal(decodeJwt(answer.body.access_token).sub, billing.id);
  t.match(await federation.exchange(token), { body: { error_description: /used before/ } }, 'once');
  t.equal((await federation.assert(await company.jobToken(issuerUrl), billing.id)).status, 200, 'asserted');

  t.comment('what is for others');
  for (const resource of ['https://wiki.acme.example', `${issuerUrl}/v1`, `${issuerUrl}/`])
    t.match(await federation.exchange(await company.jobToken(resource)), { status: 400 }, resource);
  await federation.identify((await federation.register('ana')).id, { trusted_issuer: 'acme', subject: 'ana' });
  for (const client of [WIKI, COMMAND]) {
    const shown = await signIn(company.url, client, 'ana');
    t.match(decodeJwt(shown), { iss: company.url, sub: 'ana', aud: client, email: 'ana@acme.example' });
    t.match(await federation.exchange(shown), { status: 400 }, `an ID token of ${client}`);
  }

  t.comment('its keys rotate');
  const [first] = company.keys;
  const second = createStandInKey('RS256');
  await company.rotate([second, first as typeof second]);
  await federation.service.call('PATCH', '/v1/trusted-issuers/acme', { max_token_seconds: 600 });
  const later = await company.jobToken(issuerUrl);
  t.equal(decodeProtectedHeader(later).kid, second.kid);
  t.match(await federation.exchange(later), { status: 200 });
});

t.test('a key that it adds is found within a minute, and one that it drops is gone', async (t) => {
  const company = await startCompany(t);
  const time = { now: 0 };
  const keys = createIssuerKeys({
    ask: createEgress({ allowed: createRanges(['127.0.0.1/32']), deadlineMs: 60_000 }),
    ...{ clock: { monotonic: () => time.now }, log: { warn: (details) => t.fail(JSON.stringify(details)) } },
  });
  const issuer = { id: 'ti_x', kind: 'oidc', issuer: company.url, jwks_uri: null, jwks: null, version: 1 };
  const find = (kid: string) => keys.find(issuer as TrustedIssuer, kid);
  const [first, second] = [company.keys[0]?.kid as string, createStandInKey('RS256')];
  t.ok(await find(first));
  await company.rotate([second]);
  t.notOk(await find(second.kid), 'asked a moment ago');
  time.now += FETCH_EVERY_MS;
  t.ok(await find(second.kid));
  t.notOk(await find(first));
});
