// ID tokens of a company's issuer, taken and refused as the proof of a person: to read, and to run.

export const CLIENT_ID = 'countersign-command';

export interface SignIn {
  /** What is changed of a good ID token's claims; undefined leaves out. */
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
}

/** Beside iss and times. */
export const GOOD = {
  sub: '00u1ana',
  aud: CLIENT_ID,
  nonce: 'n-0S6_WzA2Mj',
  auth_time: 1_700_000_000,
  email: 'ana@acme.example',
  email_verified: true,
  preferred_username: 'ana',
};

export const TAKEN: Record<string, SignIn> = {
  'as it is': {},
  'one audience as a list': { claims: { aud: [CLIENT_ID] } },
  'azp of the command': { claims: { azp: CLIENT_ID } },
  'no typ': { header: { typ: undefined } },
  'typ among the claims, as Keycloak writes it': { claims: { typ: 'ID' } },
  'token_use, as Cognito writes it': { claims: { token_use: 'id' } },
  'no name to read': { claims: { email: undefined, preferred_username: undefined } },
};

export const REFUSED: Record<string, SignIn & { why: RegExp }> = {
  'of another client': { claims: { aud: 'wiki' }, why: /another client \(aud\)/ },
  'for the service itself, as a platform’s': { claims: { aud: '{{issuer_url}}' }, why: /another client \(aud\)/ },
  'of another client as well': { claims: { aud: [CLIENT_ID, 'wiki'] }, why: /one audience/ },
  'of the client twice': { claims: { aud: [CLIENT_ID, CLIENT_ID] }, why: /one audience/ },
  'of nobody': { claims: { aud: undefined }, why: /one audience/ },
  'of an empty list': { claims: { aud: [] }, why: /one audience/ },
  'asked for by another client': { claims: { azp: 'wiki' }, why: /another client \(azp\)/ },
  'azp as a list': { claims: { azp: [CLIENT_ID] }, why: /another client \(azp\)/ },
  'azp of nobody': { claims: { azp: '' }, why: /another client \(azp\)/ },
  'an access token (RFC 9068)': { header: { typ: 'at+jwt' }, why: /no ID token/ },
  'an access token, by its claims': { claims: { typ: 'Bearer' }, why: /no ID token/ },
  'an access token, by token_use': { claims: { token_use: 'access' }, why: /no ID token/ },
  'an access token, by its scopes': { claims: { scp: 'openid' }, why: /no ID token/ },
  'a logout token': { header: { typ: 'logout+jwt' }, why: /no ID token/ },
  'a logout token without a typ of its own': {
    claims: { events: { 'http://schemas.openid.net/event/backchannel-logout': {} }, nonce: undefined },
    why: /no ID token/,
  },
  'another person': { claims: { sub: '00u2bob' }, why: /nobody here has this identity/ },
  'another person with her address': { claims: { sub: '00u2bob', email: 'ana@acme.example' }, why: /nobody here/ },
  'her address as subject': { claims: { sub: 'ana@acme.example' }, why: /nobody here/ },
  'subject in capitals': { claims: { sub: '00U1ANA' }, why: /nobody here/ },
  'a list as subject': { claims: { sub: ['00u1ana'] }, why: /sub/ },
  expired: { claims: { iat: 1_700_000_000, exp: 1_700_000_300 }, why: /expired/ },
  'no end': { claims: { exp: undefined }, why: /exp/ },
  'no iat': { claims: { iat: undefined }, why: /iat/ },
  'a day long': { claims: { exp: '{{tomorrow}}' }, why: /lives longer/ },
  'no kid': { header: { kid: undefined }, why: /kid/ },
};
