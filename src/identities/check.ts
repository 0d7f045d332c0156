// What an identity may be: exact, a wildcard only as the anchored end of a subject and on purpose; and what of it comes back.
import { Problem } from '../errors.ts';
import { KIND, type KindName } from '../trusted-issuers/kinds.ts';
import type { Warning } from '../trusted-issuers/check.ts';
import type { TrustedIssuer } from '../trusted-issuers/store.ts';
import { pathOf, type Rule } from './match.ts';

/** Checked otherwise, or not at all a name of somebody. */
const NOT_MATCHED = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']);
/** Of people, and given to the next one. */
const REASSIGNED = new Set(['email', 'preferred_username', 'username', 'name', 'upn', 'login']);

function refuse(detail: string, hint: string): Problem {
  return new Problem('identity_refused', detail, { hint });
}

/** @throws Problem `identity_refused` */
export function requireSound({ subject, claims }: Rule, allowWildcard: boolean): void {
  const at = subject.indexOf('*');
  if (at >= 0 && at !== subject.length - 1)
    throw refuse('A wildcard is only ever the last character of a subject.', 'Name the rest by claims.');
  if (at >= 0 && !/[:/]\*$/.test(subject))
    throw refuse(
      'A wildcard stands behind a colon or a slash: otherwise names that begin alike are taken too.',
      'Write e.g. repo:acme/billing:* for every run of acme/billing.',
    );
  if (at >= 0 && !allowWildcard)
    throw refuse('A wildcard needs allow_wildcard.', 'Name the subject exactly, or set allow_wildcard and say why.');
  if (at < 0 && allowWildcard) throw refuse('There is no wildcard to allow.', 'Leave allow_wildcard out.');
  for (const name of Object.keys(claims)) {
    const path = pathOf(name);
    if (name.startsWith('/') && path.length < 2)
      throw refuse(`The claim ${name} is a path of one step.`, `Write ${path[0]}, without the slash.`);
    if (/~(?![01])/.test(name) || path.includes(''))
      throw refuse(`The claim ${name} is no JSON Pointer.`, 'Write ~0 for a tilde and ~1 for a slash within a name.');
    if (NOT_MATCHED.has(path[0] as string))
      throw refuse(`The claim ${name} is not one to match.`, 'The issuer, audience and times are checked anyway.');
  }
}

/** @throws Problem `identity_refused` */
export function requireForPerson(issuer: TrustedIssuer, allowWildcard: boolean): void {
  if (allowWildcard)
    throw refuse('A person is named exactly.', 'Leave allow_wildcard out, and give each person an identity.');
  if (!issuer.login)
    throw refuse(
      `Nobody signs in through ${issuer.name}.`,
      'Say how first: countersign trusted-issuer update … --login-client-id.',
    );
}

export function warningsOf(kind: KindName, rule: Rule): Warning[] {
  const warnings: Warning[] = [];
  const { lasting, recycled } = KIND[kind];
  const missing = lasting.filter((name) => !Object.hasOwn(rule.claims, name));
  if (missing.length > 0)
    warnings.push({ code: 'name_recyclable', detail: `Match ${missing.join(' and ')} too: ${recycled}.` });
  if (lasting.length === 0 && recycled !== '')
    warnings.push({ code: 'name_recyclable', detail: `No claim of its tokens prevents it: ${recycled}.` });
  const people = Object.keys(rule.claims).filter((name) => REASSIGNED.has(name));
  if (people.length > 0)
    warnings.push({ code: 'name_recyclable', detail: `${people.join(' and ')} can be given to somebody else later.` });
  if (kind === 'oidc' && rule.subject.includes('@'))
    warnings.push({
      code: 'name_recyclable',
      detail: 'The subject looks like an address, which others can get later.',
    });
  if (rule.subject.endsWith('*'))
    warnings.push({ code: 'subject_wildcard', detail: `Every subject that begins with ${rule.subject.slice(0, -1)}.` });
  return warnings;
}
