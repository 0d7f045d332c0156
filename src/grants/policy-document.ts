// The grammar of a session policy (an IAM policy without principals), as strict as STS, so that a fault shows when it is written.
import canonicalize from 'canonicalize';
import type { JsonValue } from '../audit/chain.ts';
import { OPERATOR, repeatsSid, RESOURCE } from '../connections/policy-grammar.ts';

export type Members = { [member: string]: JsonValue | undefined };

export interface Statement extends Members {
  Sid?: string;
  Effect: 'Allow' | 'Deny';
}

/** A fault in words that follow "The policy". */
export class PolicyFault extends Error {}

const VERSION = '2012-10-17';
const STATEMENT_MEMBERS = ['Sid', 'Effect', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition'];
const ACTION = /^(\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$/;

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function allowOnly(value: unknown, names: readonly string[], what: string): Members {
  if (!isObject(value)) throw new PolicyFault(`needs ${what} that is an object`);
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new PolicyFault(`has a member that ${what} may not have: ${unknown.slice(0, 64)}`);
  return value;
}

/** Exactly one of `name` and `Not<name>`: a string, or some of them. */
function checkOneOf(statement: Members, name: 'Action' | 'Resource', pattern: RegExp, form: string): void {
  const plain = statement[name];
  const negated = statement[`Not${name}`];
  if ((plain === undefined) === (negated === undefined)) {
    throw new PolicyFault(`needs either ${name} or Not${name} in each statement`);
  }
  const given = plain ?? negated;
  const list = Array.isArray(given) ? given : [given];
  if (list.length === 0 || !list.every((item) => typeof item === 'string' && pattern.test(item))) {
    throw new PolicyFault(`has a ${plain === undefined ? 'Not' : ''}${name} that is not ${form}`);
  }
}

function checkCondition(condition: unknown): void {
  if (condition === undefined) return;
  if (!isObject(condition)) throw new PolicyFault('has a Condition that is not an object');
  for (const [operator, keys] of Object.entries(condition)) {
    if (!OPERATOR.test(operator)) throw new PolicyFault(`has an unknown condition operator: ${operator.slice(0, 64)}`);
    if (!isObject(keys)) throw new PolicyFault(`has a condition ${operator} that is not an object`);
    for (const [key, values] of Object.entries(keys)) {
      const list = Array.isArray(values) ? values : [values];
      const plain =
        list.length > 0 &&
        list.every((value) => ['string', 'boolean'].includes(typeof value) || Number.isFinite(value));
      if (!plain || !key.includes(':'))
        throw new PolicyFault(`has a condition ${operator} without a key like aws:SourceIp or without a value`);
    }
  }
}

function checkStatement(value: unknown): Statement {
  const statement = allowOnly(value, STATEMENT_MEMBERS, 'a statement of a session policy');
  const { Sid, Effect } = statement;
  if (Effect !== 'Allow' && Effect !== 'Deny')
    throw new PolicyFault('needs Effect "Allow" or "Deny" in each statement');
  if (Sid !== undefined && (typeof Sid !== 'string' || !/^[A-Za-z0-9]+$/.test(Sid))) {
    throw new PolicyFault('has a Sid that is not letters and digits');
  }
  checkOneOf(statement, 'Action', ACTION, '"*" or service:Action');
  checkOneOf(statement, 'Resource', RESOURCE, '"*" or an ARN');
  checkCondition(statement['Condition']);
  return statement as Statement;
}

/**
 * The statements of a policy document.
 * @throws PolicyFault
 */
export function parsePolicy(document: unknown): Statement[] {
  const members = allowOnly(document, ['Version', 'Id', 'Statement'], 'a policy document');
  // Another version reads ${…} as text: merged with one that does not, it would mean something else.
  if (members['Version'] !== VERSION) throw new PolicyFault(`needs Version "${VERSION}"`);
  if (members['Id'] !== undefined && typeof members['Id'] !== 'string')
    throw new PolicyFault('has an Id that is not text');
  const given = members['Statement'];
  const list = Array.isArray(given) ? given : [given];
  if (given === undefined || list.length === 0) throw new PolicyFault('needs a Statement');
  const statements = list.map(checkStatement);
  if (repeatsSid(statements)) throw new PolicyFault('has the same Sid twice');
  return statements;
}

/**
 * RFC 8785 JSON of these statements as one document.
 * @throws PolicyFault for characters that STS does not take.
 */
export function writePolicy(statements: readonly Statement[]): string {
  const document = { Version: VERSION, Statement: statements };
  let text: string | undefined;
  try {
    text = canonicalize(document);
  } catch {
    // A lone surrogate.
  }
  // botocore's pattern of the parameter Policy.
  if (text === undefined || !/^[\u0020-\u00ff]*$/.test(text)) throw new PolicyFault('has characters beyond Latin-1');
  // Escaped backslashes aside, JSON escapes quotes and control characters; jsonb has no form for the first of those.
  if (/\\[^"]/.test(text.replaceAll('\\\\', ''))) throw new PolicyFault('has control characters');
  return text;
}
