// The token endpoint: how a client proves itself, what it may have a token for, replay, and the record before the answer.
import { type Defence, provenBy } from './defence.ts';
import { WITHOUT_EPOCH } from './epoch.ts';

const TOKEN = 'test/oauth/token.test.ts';
const ASSERTION = 'test/oauth/assertion.test.ts';
const assertion = 'src/oauth/assertion.ts';
const decide = 'src/oauth/decide.ts';
const record = 'src/oauth/record.ts';
const routes = 'src/oauth/routes.ts';
const proof = 'src/clients/proof.ts';
const ownKey = 'src/oauth/own-key.ts';
const PROOF = 'test/clients/proof.test.ts';

export const oauth: Defence[] = [
  ...provenBy(TOKEN, 'an assertion is refused for each of its faults, and the fault is named', [
    {
      name: 'oauth.aud',
      promise: "an assertion's aud is the issuer and nothing else",
      file: assertion,
      find: 'aud !== issuerUrl',
      replace: 'false',
    },
    {
      name: 'oauth.life',
      promise: 'an assertion lives 5 minutes at most',
      file: assertion,
      find: '(exp as number) > now + MAX_LIFE_SECONDS + CLOCK_TOLERANCE_SECONDS',
      replace: 'false',
    },
    {
      name: 'oauth.expired',
      promise: 'an expired assertion is refused, and told so',
      file: assertion,
      find: '(exp as number) + CLOCK_TOLERANCE_SECONDS <= now',
      replace: 'false',
    },
    {
      name: 'oauth.exp',
      promise: 'exp is required, in whole seconds',
      file: assertion,
      find: '!Number.isInteger(exp)',
      replace: 'false',
    },
    {
      name: 'oauth.future',
      promise: 'an assertion from the future is refused',
      file: assertion,
      find: '(value as number) > now + CLOCK_TOLERANCE_SECONDS',
      replace: 'false',
    },
    {
      name: 'oauth.jti',
      promise: 'jti is required, and bounded',
      file: assertion,
      find: "typeof jti !== 'string' || !/^[!-~]{8,128}$/.test(jti)",
      replace: 'false',
    },
    {
      name: 'oauth.iss-sub',
      promise: 'iss = sub = client_id',
      file: assertion,
      find: "typeof sub !== 'string' || iss !== sub",
      replace: 'false',
    },
    {
      name: 'oauth.typ',
      promise: 'an access token is no assertion',
      file: assertion,
      find: "typ !== undefined && typ !== 'JWT' && typ !== 'client-authentication+jwt'",
      replace: 'false',
    },
    {
      name: 'oauth.compact',
      promise: 'the compact form of an assertion is bounded',
      file: assertion,
      find: 'token.length > LONGEST',
      replace: 'false',
    },
  ]),
  ...provenBy(TOKEN, 'replay is decided once, however many ask at once', [
    {
      name: 'oauth.replay',
      promise: 'replay is decided by one atomic insert',
      file: record,
      find: 'epoch: client.epoch, replay: request.proof.replay }',
      replace: 'epoch: client.epoch }',
    },
  ]),
  ...provenBy(TOKEN, 'an assertion of a refused call is used up too', [
    {
      name: 'oauth.replay-refused',
      promise: 'a refused assertion is used up too',
      file: record,
      find: "code: error ?? 'unknown' }, request.proof.replay, )",
      replace: "code: error ?? 'unknown' })",
    },
    {
      name: 'oauth.refusals-recorded',
      promise: 'refused authenticated calls are rows',
      file: record,
      find: 'else { await recordRefused(ctx, request); }',
      replace: 'else { }',
    },
  ]),
  ...provenBy(TOKEN, 'what may not be minted', [
    {
      name: 'oauth.audience',
      promise: 'only audiences of the workload are minted',
      file: decide,
      find: '!parsed && !client.audiences.includes(audience)',
      replace: 'false',
    },
    {
      name: 'oauth.connection-granted',
      promise: "a connection's audience needs a grant of it",
      file: decide,
      find: '!(await within(SOON_MS, mayUseConnection(db, client.id, parsed.connection)))',
      replace: 'false',
    },
    {
      name: 'oauth.administrators',
      promise: "administrators' tokens are for the API alone",
      file: decide,
      find: "client.kind === 'administrator' && parsed?.kind !== 'api'",
      replace: 'false',
    },
    {
      name: 'oauth.scope',
      promise: 'a scope that the workload does not have is an error',
      file: decide,
      find: 'if (refused.length > 0) throw',
      replace: 'if (false) throw',
    },
    {
      name: 'oauth.scope-elsewhere',
      promise: 'scopes are for the API alone',
      file: decide,
      find: "parsed?.kind === 'api' ? client.scopes : []",
      replace: 'client.scopes',
    },
  ]),
  ...provenBy(TOKEN, 'malformed requests are RFC 6749 errors', [
    {
      name: 'oauth.parameters-once',
      promise: 'no parameter twice',
      file: routes,
      find: 'if (form.has(name)) throw',
      replace: 'if (false) throw',
    },
    {
      name: 'oauth.parameters-known',
      promise: 'no unknown parameter, and no client secrets at all',
      file: routes,
      find: '!PARAMETERS.has(name)',
      replace: 'false',
    },
  ]),
  ...provenBy(TOKEN, 'a suspended workload gets no token from the commit on, and its API token is dead', [
    {
      name: 'oauth.suspended',
      promise: 'a suspended workload gets no token',
      file: decide,
      find: "client.state !== 'active'",
      replace: 'false',
    },
    {
      name: 'oauth.suspended-api',
      promise: "a suspended workload's token is dead at the API",
      file: 'src/oauth/authenticate.ts',
      find: "if (client.state !== 'active') throw",
      replace: 'if (false) throw',
    },
  ]),
  ...provenBy(ASSERTION, 'an assertion is signed with ES256 or RS256, whatever key it is', [
    {
      name: 'oauth.alg',
      promise: 'an assertion is signed with one of two algorithms',
      file: assertion,
      find: "ALGORITHMS.find((one) => one === header['alg'])",
      replace: "(header['alg'] as Algorithm)",
      also: [{ file: assertion, find: 'if (!algorithm) throw', replace: 'if (false) throw' }],
    },
  ]),
  ...provenBy(ASSERTION, 'an unknown client costs one verification, as a wrong key does', [
    {
      name: 'oauth.decoy',
      promise: 'unknown workload and wrong key look the same',
      file: proof,
      find: 'await verifies(token, decoys[algorithm], algorithm);',
      replace: '',
    },
  ]),
  ...provenBy(TOKEN, 'an unknown workload and a wrong key look the same', [
    {
      name: 'oauth.signature',
      promise: "an assertion is signed by the client's own key",
      file: ownKey,
      find: '!(await provesItself(client, { token, algorithm, kid }, clock.wall()))',
      replace: 'false',
    },
  ]),
  ...provenBy(PROOF, 'ES256: a key of its own, named or not, until its very last millisecond', [
    {
      name: 'oauth.key-expiry',
      promise: 'an expired key proves nothing',
      file: proof,
      find: 'unexpiredKeys(fromStoredJwks(client.jwks), now)',
      replace: 'fromStoredJwks(client.jwks)',
    },
    {
      name: 'oauth.named-key',
      promise: 'the key that an assertion names is the one that signed',
      file: proof,
      find: '(kid === undefined || key.kid === kid)',
      replace: 'true',
    },
  ]),
  ...provenBy(PROOF, 'a row that gives a key the name of another changes nothing for that other', [
    {
      name: 'oauth.opened-keys',
      promise: 'a remembered public key is the one of this row, not of that name',
      file: proof,
      find: 'opened.get(name)',
      replace: 'opened.values().next().value',
    },
  ]),
  ...provenBy(
    'test/oauth/proved-clients.test.ts',
    'a request that has proved nothing gets nothing, and a proved one is nobody else',
    [
      {
        name: 'oauth.proved-alone',
        promise: 'oidc-provider knows the client that proved itself, and no other',
        file: 'src/oauth/proved-clients.ts',
        find: 'currentRequest().client.id === id',
        replace: 'id',
      },
    ],
  ),
  ...provenBy(ASSERTION, 'a client that authenticates in two ways is told to use one', [
    {
      name: 'oauth.one-method',
      promise: 'one method of authentication per request',
      file: routes,
      find: 'request.headers.authorization !== undefined',
      replace: 'false',
    },
  ]),
  ...provenBy(TOKEN, 'a suspended workload gets no token from the commit on, and its API token is dead', [
    {
      name: 'oauth.epoch',
      promise: 'what is remembered of a workload may only ever say yes: the epoch decides',
      ...WITHOUT_EPOCH,
    },
    {
      name: 'oauth.decided-again',
      promise: 'under another epoch a token is decided again',
      file: record,
      find: 'await decideToken(client, decision.audience, decision.scopes);',
      replace: '',
    },
  ]),
  ...provenBy(ASSERTION, 'a key that was deleted proves nothing from the commit on, though its client is remembered', [
    {
      name: 'oauth.keys-of-today',
      promise: 'a key that is gone proves nothing, though its client is remembered',
      file: ownKey,
      find: 'proofOf(fresh) === proofOf(client)',
      replace: 'true',
    },
  ]),
];
