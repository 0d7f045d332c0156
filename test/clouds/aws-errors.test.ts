// Which of AWS's refusals is whose to mend, as AWS-FACTS lists them; and the hints that go with them.
import t from 'tap';
import { type StsSide, toStsError } from '../../src/clouds/aws-errors.ts';
import { buildStsHint, type TrustFacts } from '../../src/clouds/aws-hints.ts';

const THUMBPRINT = "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint";

const TABLE: [name: string, status: number, message: string, side: StsSide, code: string][] = [
  ['IDPCommunicationErrorException', 400, 'x', 'transient', 'IDPCommunicationError'],
  [
    'InvalidIdentityTokenException',
    400,
    "Couldn't retrieve verification key from your identity provider",
    'transient',
    'InvalidIdentityToken',
  ],
  [
    'InvalidIdentityTokenException',
    400,
    'No OpenIDConnect provider found in your account for https://i',
    'account_owner',
    'InvalidIdentityToken',
  ],
  ['InvalidIdentityTokenException', 400, 'Incorrect token audience', 'account_owner', 'InvalidIdentityToken'],
  ['InvalidIdentityTokenException', 400, THUMBPRINT, 'account_owner', 'InvalidIdentityToken'],
  ['InvalidIdentityTokenException', 400, 'The ID Token provided is not a valid JWT.', 'ours', 'InvalidIdentityToken'],
  ['ExpiredTokenException', 400, 'Token expired', 'ours', 'ExpiredToken'],
  ['IDPRejectedClaimException', 403, 'x', 'ours', 'IDPRejectedClaim'],
  ['AccessDenied', 403, 'Not authorized to perform sts:AssumeRoleWithWebIdentity', 'account_owner', 'AccessDenied'],
  ['AccessDeniedException', 403, 'x', 'account_owner', 'AccessDenied'],
  ['PackedPolicyTooLargeException', 400, 'x', 'ours', 'PackedPolicyTooLarge'],
  ['MalformedPolicyDocumentException', 400, 'x', 'ours', 'MalformedPolicyDocument'],
  ['RegionDisabledException', 403, 'x', 'account_owner', 'RegionDisabled'],
  ['ValidationError', 400, 'x', 'ours', 'ValidationError'],
  [
    'ValidationError',
    400,
    'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    'account_owner',
    'ValidationError',
  ],
  ['Throttling', 400, 'Rate exceeded', 'throttled', 'Throttling'],
  ['ThrottlingException', 400, 'Rate exceeded', 'throttled', 'Throttling'],
  ['Anything', 429, 'x', 'throttled', 'Anything'],
  ['ServiceUnavailable', 503, 'x', 'transient', 'ServiceUnavailable'],
  ['InternalFailure', 500, 'x', 'transient', 'InternalFailure'],
  ['Anything', 502, 'x', 'transient', 'Anything'],
  ['Unheard', 400, 'x', 'ours', 'Unheard'],
  ['UnknownError', 403, 'x', 'transient', 'Unreadable'],
];

t.test('every error has one side, and its code no suffix', async (t) => {
  for (const [name, httpStatusCode, message, side, awsCode] of TABLE) {
    const error = toStsError(
      Object.assign(new Error(message), { name, $metadata: { httpStatusCode, requestId: 'r' } }),
    );
    t.match(
      { side: error.side, awsCode: error.awsCode, requestId: error.requestId },
      { side, awsCode, requestId: 'r' },
      `${name} ${httpStatusCode} ${message}`,
    );
  }
});

t.test('a message is cut to what a record can hold', async (t) => {
  const error = (message: string) =>
    toStsError(Object.assign(new Error(message), { name: 'AccessDenied', $metadata: { httpStatusCode: 403 } }));
  const cut = error(`${'a b '.repeat(127)}abc\u{1f600} and more`).awsMessage;
  t.equal(cut.length, 512);
  t.ok(cut.isWellFormed(), 'no half of a pair');
});

t.test('without an answer: the network passes, a fault of our own does not', async (t) => {
  t.match(toStsError(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })), {
    side: 'transient',
    awsCode: 'Unreachable',
  });
  t.match(toStsError(Object.assign(new Error('x'), { name: 'TimeoutError' })), {
    side: 'transient',
    awsCode: 'Timeout',
  });
  t.match(toStsError(Object.assign(new Error('x'), { name: 'TimeoutError', code: 'ECONNRESET' })), {
    side: 'transient',
    awsCode: 'Unreachable',
  });
  t.match(toStsError(Object.assign(new Error('x'), { name: 'TimeoutError', code: 'ETIMEDOUT' })), {
    side: 'transient',
    awsCode: 'Timeout',
  });
  const ours = toStsError(new TypeError('cannot sign eyJx.y.z'));
  t.match(ours, { side: 'ours', awsCode: 'NotSent' });
  t.notMatch(ours.message, 'eyJ');
  t.match(toStsError('a string'), { side: 'ours' });
});

const facts: TrustFacts = {
  issuerUrl: 'https://id.example.com/c/is_aaa',
  audience: 'sts.amazonaws.com',
  subject: 'cn_bbb',
  accountId: '111122223333',
  roleArn: 'arn:aws:iam::111122223333:role/countersign-bbb',
};
const hint = (name: string, message: string, more: Partial<TrustFacts> = {}): string =>
  buildStsHint(
    { ...facts, ...more },
    toStsError(Object.assign(new Error(message), { name, $metadata: { httpStatusCode: 400 } })),
  );

t.test('the hint names the line to mend, with its value', async (t) => {
  const denied = hint('AccessDenied', 'x');
  for (const part of [
    facts.issuerUrl,
    facts.roleArn,
    '"id.example.com/c/is_aaa:aud": "sts.amazonaws.com"',
    '"id.example.com/c/is_aaa:sub": "cn_bbb"',
  ]) {
    t.ok(denied.includes(part), part);
  }
  t.notMatch(denied, /TagSession|SetSourceIdentity/);
  t.match(
    hint('AccessDenied', 'x', { sessionTags: true, sourceIdentity: true }),
    /sts:TagSession, sts:SetSourceIdentity/,
  );
  t.match(
    hint('InvalidIdentityTokenException', 'No OpenIDConnect provider found'),
    /no OIDC provider for https:\/\/id.example.com\/c\/is_aaa/,
  );
  t.match(hint('InvalidIdentityTokenException', 'Incorrect token audience'), /ClientIdList/);
  const thumbprint = hint('InvalidIdentityTokenException', THUMBPRINT);
  t.match(thumbprint, /provider id.example.com\/c\/is_aaa in account 111122223333 .* ThumbprintList/);
  t.match(thumbprint, /the operators of the service changed the CA/, 'or the cause is here');
  t.match(
    hint('ValidationError', 'exceeds the MaxSessionDuration', { durationSeconds: 7200 }),
    /7200 s.*MaxSessionDuration/,
  );
  t.match(hint('RegionDisabledException', 'x', { region: 'me-south-1' }), /me-south-1/);
});

t.test('every code of the table has a hint', async (t) => {
  for (const [name, , message] of TABLE) t.ok(hint(name, message).length > 20, name);
});
