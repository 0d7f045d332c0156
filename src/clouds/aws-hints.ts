// What to tell the owner of an AWS account, or our operators, about a refusal: which line to mend, with its value.
import { ANSWER_FAULTS } from './aws-answer.ts';
import { type StsFailure, TOO_LARGE } from './aws-errors.ts';

/** The connection as the account's trust must name it. */
export interface TrustFacts {
  /** The connection issuer's URL, as `iss` has it. */
  issuerUrl: string;
  audience: string;
  subject: string;
  accountId: string;
  roleArn: string;
  /** Whether tokens of this connection carry session tags, or a source identity. */
  sessionTags?: boolean | undefined;
  sourceIdentity?: boolean | undefined;
  region?: string | undefined;
  /** Seconds asked for, where a duration was refused. */
  durationSeconds?: number | undefined;
}

/** The issuer without its scheme: how IAM names the provider, and its condition keys. */
export function providerName(issuerUrl: string): string {
  return issuerUrl.replace(/^https?:\/\//, '');
}

/** The actions that the role's trust must allow for tokens of this connection. */
export function trustActions(switches: {
  sessionTags?: boolean | undefined;
  sourceIdentity?: boolean | undefined;
}): string[] {
  return [
    'sts:AssumeRoleWithWebIdentity',
    ...(switches.sessionTags ? ['sts:TagSession'] : []),
    ...(switches.sourceIdentity ? ['sts:SetSourceIdentity'] : []),
  ];
}

function trustHint(facts: TrustFacts): string {
  const name = providerName(facts.issuerUrl);
  const role = `The role ${facts.roleArn} does not exist, or its trust policy does not let this token in. It must allow`;
  const conditions = `StringEquals "${name}:aud": "${facts.audience}" and "${name}:sub": "${facts.subject}"`;
  return (
    `${role} ${trustActions(facts).join(', ')} to the provider of ${facts.issuerUrl} under ${conditions}. ` +
    'Create the stack, or update it with the current template; right after that, some seconds of this answer are normal.'
  );
}

/** What to do about a failure, in sentences for a person; names no token and no secret. */
export function buildStsHint(facts: TrustFacts, failure: StsFailure): string {
  const name = providerName(facts.issuerUrl);
  switch (failure.awsCode) {
    case 'AccessDenied':
      return trustHint(facts);
    case 'RegionDisabled':
      return `AWS STS is switched off in ${facts.region ?? 'this region'} for account ${facts.accountId}: switch it on under IAM, Account settings.`;
    case 'InvalidIdentityToken':
      if (/audience/i.test(failure.awsMessage)) {
        return `The OIDC provider ${name} in account ${facts.accountId} must list "${facts.audience}" among its client ids (ClientIdList).`;
      }
      // AWS goes by thumbprints only where it does not know the CA.
      if (/thumbprint/i.test(failure.awsMessage)) {
        return `AWS does not know the CA of the certificate of ${facts.issuerUrl}. If it is meant to be a private one, the OIDC provider ${name} in account ${facts.accountId} has the thumbprint of an old one: update its ThumbprintList. If not, the operators of the service changed the CA of its certificate: they go back to a public one.`;
      }
      if (failure.side === 'account_owner') {
        return `Account ${facts.accountId} has no OIDC provider for ${facts.issuerUrl}: create the stack, or restore its resource "Provider" with exactly this Url.`;
      }
      return `AWS could not verify a token of ${facts.issuerUrl}: check that its discovery document and JWKS can be read from the internet in under 5 s.`;
    case 'IDPCommunicationError':
      return `AWS could not read ${facts.issuerUrl}: check that it can be reached from the internet, answers in under 5 s and is not rate-limited.`;
    case 'IDPRejectedClaim':
      return `AWS refused a claim of the token: it names the role ${facts.roleArn} and the subject "${facts.subject}"; the stack must hold this very role.`;
    case 'ExpiredToken':
      return "The token had expired when AWS read it: check the service's clock.";
    case 'PackedPolicyTooLarge':
    case 'MalformedPolicyDocument':
      if (failure.side === 'caller')
        return "AWS refuses the grant's session policies together with what you deny: send fewer statements, or leave them out. Where it refuses those of the grant alone, its operators shorten or mend them.";
      return "The session policy and tags are too large or not valid for AWS: shorten the grant's session_policy, policy_arns or tags, or what the caller denies beside them.";
    case 'ValidationError':
      if (/MaxSessionDuration/.test(failure.awsMessage)) {
        const asked = facts.durationSeconds === undefined ? 'this long' : `${facts.durationSeconds} s`;
        return `The role ${facts.roleArn} allows no session of ${asked}: raise its MaxSessionDuration (update the stack), or lower max_session_seconds here.`;
      }
      return 'AWS did not accept a parameter that the service sent: tell its operators the request id.';
    case TOO_LARGE:
      return ANSWER_FAULTS[TOO_LARGE].hint;
    default:
      return failure.side === 'transient' || failure.side === 'throttled'
        ? 'AWS did not answer as it should: this passes by itself, and is tried again.'
        : 'This is for the operators of the service: tell them the code and the request id.';
  }
}
