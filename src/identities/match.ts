// Whether a token's subject and claims are those of an identity, and whether two identities could have one token. Pure.

export type ClaimValue = string | number | boolean;

/** What an identity asks of a token of its issuer. */
export interface Rule {
  /** Exact; or everything up to a `*` at its end. */
  subject: string;
  /** By name, or by JSON Pointer (RFC 6901). */
  claims: Record<string, ClaimValue>;
}

const unescape = (step: string): string => step.replaceAll('~1', '/').replaceAll('~0', '~');

export function pathOf(name: string): string[] {
  return name.startsWith('/') ? name.slice(1).split('/').map(unescape) : [name];
}

/** Of the token's own members alone, through objects alone: undefined where there is none, or where a list is on the way. */
function readClaim(payload: Record<string, unknown>, name: string): unknown {
  let value: unknown = payload;
  for (const step of pathOf(name)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, step))
      return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

const prefixOf = (subject: string): string | undefined => (subject.endsWith('*') ? subject.slice(0, -1) : undefined);

function takesSubject(rule: Rule, subject: string): boolean {
  const prefix = prefixOf(rule.subject);
  // Something must stand where the wildcard is.
  return prefix === undefined ? rule.subject === subject : subject.startsWith(prefix) && subject.length > prefix.length;
}

/** Text for text, number for number: what is missing, or a list, is no value. */
export function matches(rule: Rule, subject: string, payload: Record<string, unknown>): boolean {
  return (
    takesSubject(rule, subject) &&
    Object.entries(rule.claims).every(([name, value]) => readClaim(payload, name) === value)
  );
}

/** Where a wildcard may begin: a name that goes on is another name. */
const SEPARATORS = /[:/]/g;

/** Every subject that a rule can have which takes this one. */
export function subjectsThatTake(subject: string): string[] {
  return [subject, ...[...subject.matchAll(SEPARATORS)].map(({ index }) => `${subject.slice(0, index + 1)}*`)];
}

function subjectsMeet(a: string, b: string): boolean {
  const [prefixA, prefixB] = [prefixOf(a), prefixOf(b)];
  if (prefixA !== undefined && prefixB !== undefined) return prefixA.startsWith(prefixB) || prefixB.startsWith(prefixA);
  if (prefixA !== undefined) return b.startsWith(prefixA);
  return prefixB === undefined ? a === b : a.startsWith(prefixB);
}

/** Whether one token could have both identities: nothing that both name tells them apart. */
export function overlap(a: Rule, b: Rule): boolean {
  return (
    subjectsMeet(a.subject, b.subject) &&
    Object.entries(a.claims).every(([name, value]) => !Object.hasOwn(b.claims, name) || b.claims[name] === value)
  );
}
