// IAM policy documents: the grammar of trust, identity and session policies, refused as IAM refuses them.
import { parseStrictJson } from '../../json.ts';
import { malformedPolicy } from '../wire/error.ts';
import type { Conditions } from './conditions.ts';
import { isOperator } from './conditions.ts';

export interface Principals {
  Federated?: readonly string[];
  AWS?: readonly string[];
  Service?: readonly string[];
}

export interface Statement {
  sid: string | undefined;
  effect: 'Allow' | 'Deny';
  principals: Principals | undefined;
  actions: readonly string[];
  /** The list is of `NotAction`. */
  notAction: boolean;
  resources: readonly string[] | undefined;
  notResource: boolean;
  conditions: Conditions;
}

export interface PolicyDocument {
  /** As given, so that it is answered as it was written. */
  text: string;
  /** Policy variables exist since version 2012-10-17. */
  variables: boolean;
  statements: readonly Statement[];
}

type Members = Record<string, unknown>;

const SYNTAX = 'Syntax errors in policy.';

function object(value: unknown): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformedPolicy(SYNTAX);
  return value as Members;
}

function strings(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  if (list.some((item) => typeof item !== 'string')) throw malformedPolicy(SYNTAX);
  return list as string[];
}

function allowOnly(members: Members, names: readonly string[]): void {
  for (const name of Object.keys(members)) {
    if (!names.includes(name)) throw malformedPolicy(SYNTAX);
  }
}

/** @returns the list, and whether it was the `Not…` form; exactly one of the two must be there. */
function oneOf(members: Members, name: string): { list: string[]; negated: boolean } {
  const [plain, negated] = [members[name], members[`Not${name}`]];
  if ((plain === undefined) === (negated === undefined)) {
    throw malformedPolicy(plain === undefined ? `Policy statement must contain ${name.toLowerCase()}s.` : SYNTAX);
  }
  const list = strings(plain ?? negated);
  if (list.length === 0) throw malformedPolicy(SYNTAX);
  return { list, negated: plain === undefined };
}

function parseActions(members: Members): { list: string[]; negated: boolean } {
  const actions = oneOf(members, 'Action');
  for (const action of actions.list) {
    if (action !== '*' && !/^[A-Za-z0-9-]+:[A-Za-z0-9*?]+$/.test(action)) {
      throw malformedPolicy('Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.');
    }
  }
  return actions;
}

function parseResources(members: Members): { list: string[]; negated: boolean } {
  const resources = oneOf(members, 'Resource');
  for (const resource of resources.list) {
    if (!/^(\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+)$/s.test(resource)) {
      throw malformedPolicy(`Resource ${resource} must be in ARN format or "*".`);
    }
  }
  return resources;
}

function parseConditions(value: unknown): Conditions {
  if (value === undefined) return {};
  const conditions: Record<string, Record<string, string[]>> = {};
  for (const [operator, keys] of Object.entries(object(value))) {
    if (!isOperator(operator)) throw malformedPolicy(`Invalid Condition type : ${operator}`);
    const parsed: Record<string, string[]> = {};
    for (const [key, wanted] of Object.entries(object(keys))) {
      const list = Array.isArray(wanted) ? wanted : [wanted];
      if (!list.every((item) => ['string', 'number', 'boolean'].includes(typeof item))) throw malformedPolicy(SYNTAX);
      if (!key.includes(':')) {
        throw malformedPolicy('Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.');
      }
      parsed[key] = list.map(String);
    }
    conditions[operator] = parsed;
  }
  return conditions;
}

const FEDERATED =
  /^(arn:aws[a-z-]*:iam::\d{12}:(oidc|saml)-provider\/\S+|cognito-identity\.amazonaws\.com|accounts\.google\.com|www\.amazon\.com|graph\.facebook\.com)$/;
const AWS = /^(\*|\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:\S+|A(ROA|IDA)[A-Z0-9]{17})$/;

function parsePrincipals(value: unknown): Principals {
  if (value === '*') return { AWS: ['*'] };
  const principals: Principals = {};
  for (const [kind, given] of Object.entries(object(value))) {
    const list = strings(given);
    const pattern = kind === 'Federated' ? FEDERATED : kind === 'AWS' ? AWS : /^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$/;
    if (kind !== 'Federated' && kind !== 'AWS' && kind !== 'Service') throw malformedPolicy(SYNTAX);
    for (const name of list) {
      if (!pattern.test(name)) throw malformedPolicy(`Invalid principal in policy: "${kind}":"${name}"`);
    }
    principals[kind] = list;
  }
  return principals;
}

const TRUST_ACTIONS =
  /^(sts:(\*|assumerole\*?|assumerolewith(webidentity|saml|\*)|tagsession|setsourceidentity|setcontext)|\*)$/i;

function parseStatement(value: unknown, kind: PolicyKind): Statement {
  const members = object(value);
  const trust = kind === 'trust';
  for (const name of trust ? ['Resource', 'NotResource'] : ['Principal', 'NotPrincipal']) {
    if (name in members) {
      throw malformedPolicy(trust ? `Has prohibited field ${name}` : 'Policy document should not specify a principal.');
    }
  }
  allowOnly(members, ['Sid', 'Effect', 'Principal', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition']);
  const { Sid, Effect } = members;
  if (Effect !== 'Allow' && Effect !== 'Deny') throw malformedPolicy(SYNTAX);
  if (Sid !== undefined && typeof Sid !== 'string') throw malformedPolicy(SYNTAX);
  if (Sid && !trust && !/^[A-Za-z0-9]*$/.test(Sid)) {
    throw malformedPolicy(
      `Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*`,
    );
  }
  const actions = parseActions(members);
  if (trust && !actions.negated && actions.list.some((action) => !TRUST_ACTIONS.test(action))) {
    throw malformedPolicy('AssumeRole policy may only specify STS AssumeRole actions.');
  }
  if (trust && members['Principal'] === undefined) throw malformedPolicy('Missing required field Principal');
  const resources = trust ? undefined : parseResources(members);
  return {
    sid: Sid,
    effect: Effect,
    principals: trust ? parsePrincipals(members['Principal']) : undefined,
    actions: actions.list,
    notAction: actions.negated,
    resources: resources?.list,
    notResource: resources?.negated ?? false,
    conditions: parseConditions(members['Condition']),
  };
}

export type PolicyKind = 'trust' | 'identity' | 'session';

/** @throws AwsError MalformedPolicyDocument */
export function parsePolicy(text: string, kind: PolicyKind): PolicyDocument {
  let parsed: unknown;
  try {
    parsed = parseStrictJson(text);
  } catch {
    throw malformedPolicy(SYNTAX);
  }
  const members = object(parsed);
  allowOnly(members, ['Version', 'Id', 'Statement']);
  const { Version, Statement: given } = members;
  if (Version !== undefined && Version !== '2012-10-17' && Version !== '2008-10-17') {
    throw malformedPolicy('Syntax errors in policy: the policy version must be 2012-10-17 or 2008-10-17.');
  }
  const list = Array.isArray(given) ? given : [given];
  if (given === undefined || list.length === 0) throw malformedPolicy('Syntax error: a policy needs a Statement.');
  const statements = list.map((statement) => parseStatement(statement, kind));
  const sids = statements.flatMap(({ sid }) => (sid ? [sid] : []));
  if (new Set(sids).size < sids.length) throw malformedPolicy('Statement IDs (SID) in a single policy must be unique.');
  return { text, variables: Version === '2012-10-17', statements };
}

/** How IAM counts a policy against its quota: white space is free. */
export function policySize(text: string): number {
  return text.replace(/\s/g, '').length;
}
