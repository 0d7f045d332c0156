// Intrinsic functions: a template's values worked out from parameters, conditions, pseudo parameters and resources.
import { validationError } from '../wire/error.ts';
import { partitionOf } from '../world.ts';
import { parameterValue } from './parameters.ts';
import type { StackParameter } from './stack.ts';
import type { Template } from './template.ts';

/** What a resource is to those that refer to it. */
export interface Referable {
  physicalId: string;
  attributes: Readonly<Record<string, string>>;
}

export interface Scope {
  template: Template;
  parameters: readonly StackParameter[];
  pseudo: Readonly<Record<string, unknown>>;
  /** Undefined while it does not exist, or never will under these conditions. */
  resource: (logicalId: string) => Referable | undefined;
}

/** Stands for AWS::NoValue until the member that holds it is left out. */
const NO_VALUE = Symbol('AWS::NoValue');

const URL_SUFFIXES: Record<string, string> = { 'aws-cn': 'amazonaws.com.cn', 'aws-eusc': 'amazonaws.eu' };

export function pseudoParameters(stack: {
  accountId: string;
  region: string;
  name: string;
  stackId: string;
}): Record<string, unknown> {
  const partition = partitionOf(stack.region);
  return {
    'AWS::AccountId': stack.accountId,
    'AWS::Region': stack.region,
    'AWS::Partition': partition,
    'AWS::StackName': stack.name,
    'AWS::StackId': stack.stackId,
    'AWS::NotificationARNs': [],
    'AWS::URLSuffix': URL_SUFFIXES[partition] ?? 'amazonaws.com',
    'AWS::NoValue': NO_VALUE,
  };
}

export function templateError(message: string): Error {
  return validationError(`Template error: ${message}`);
}

/** @param block the section of the template that refers to them */
export function unresolvedIn(block: string, names: readonly string[]): Error {
  return validationError(
    `Template format error: Unresolved resource dependencies [${names.join(', ')}] in the ${block} block of the template`,
  );
}

function ref(name: string, scope: Scope): unknown {
  const parameter = scope.parameters.find(({ key }) => key === name);
  if (parameter) return parameterValue(scope.template, parameter);
  if (Object.hasOwn(scope.pseudo, name)) return scope.pseudo[name];
  const resource = scope.resource(name);
  if (!resource) throw unresolvedIn('Resources', [name]);
  return resource.physicalId;
}

function getAtt(logicalId: string, attribute: string, scope: Scope): string {
  const resource = scope.resource(logicalId);
  if (!resource) throw unresolvedIn('Resources', [logicalId]);
  const value = resource.attributes[attribute];
  if (value === undefined)
    throw templateError(`resource ${logicalId} does not support attribute type ${attribute} in Fn::GetAtt`);
  return value;
}

function text(value: unknown, where: string): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'string') throw templateError(`${where} must be a string`);
  return value;
}

function list(value: unknown, where: string, length?: number): unknown[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) {
    throw templateError(`${where} takes a list${length === undefined ? '' : ` of ${length}`}`);
  }
  return value;
}

/** The names in a Fn::Sub string, in order; `${!Literal}` is none. */
export const SUB_VARIABLE = /\$\{([^!}][^}]*)\}/g;

function sub(argument: unknown, scope: Scope): string {
  const [template, given] = typeof argument === 'string' ? [argument, {}] : list(argument, 'Fn::Sub', 2);
  const variables = given as Record<string, unknown>;
  return text(template, 'Fn::Sub')
    .replace(SUB_VARIABLE, (_, expression: string) => {
      const name = expression.trim();
      if (Object.hasOwn(variables, name)) return text(resolve(variables[name], scope), `\${${name}} of Fn::Sub`);
      const dot = name.indexOf('.');
      const value = dot < 0 ? ref(name, scope) : getAtt(name.slice(0, dot), name.slice(dot + 1), scope);
      return text(value, `\${${name}} of Fn::Sub`);
    })
    .replace(/\$\{!([^}]*)\}/g, '${$1}');
}

export function conditionHolds(name: unknown, scope: Scope, seen: readonly string[] = []): boolean {
  const condition = text(name, 'Condition');
  if (!Object.hasOwn(scope.template.conditions, condition))
    throw templateError(`unresolved condition dependency ${condition}`);
  if (seen.includes(condition)) throw templateError(`circular dependency between conditions: [${condition}]`);
  return decide(scope.template.conditions[condition], scope, [...seen, condition]);
}

function decide(value: unknown, scope: Scope, seen: readonly string[]): boolean {
  const [[name, argument] = ['', undefined], ...more] = Object.entries((value ?? {}) as object);
  if (more.length > 0) throw templateError('a condition must be one function');
  const each = (): boolean[] => list(argument, name).map((one) => decide(one, scope, seen));
  switch (name) {
    case 'Condition':
      return conditionHolds(argument, scope, seen);
    case 'Fn::Equals': {
      const [left, right] = list(argument, name, 2).map((side) => resolve(side, scope));
      return JSON.stringify(left) === JSON.stringify(right) || String(left) === String(right);
    }
    case 'Fn::Not':
      return !decide(list(argument, name, 1)[0], scope, seen);
    case 'Fn::And':
      return each().every(Boolean);
    case 'Fn::Or':
      return each().some(Boolean);
    default:
      throw templateError(`${name || 'a plain value'} cannot be a condition`);
  }
}

const FUNCTIONS: Record<string, (argument: unknown, scope: Scope) => unknown> = {
  Ref: (argument, scope) => ref(text(argument, 'Ref'), scope),
  'Fn::Sub': sub,
  'Fn::GetAtt': (argument, scope) => {
    const [logicalId, ...attribute] = typeof argument === 'string' ? argument.split('.') : list(argument, 'Fn::GetAtt');
    return getAtt(
      text(logicalId, 'Fn::GetAtt'),
      attribute.map((part) => text(resolve(part, scope), 'Fn::GetAtt')).join('.'),
      scope,
    );
  },
  'Fn::If': (argument, scope) => {
    const [condition, yes, no] = list(argument, 'Fn::If', 3);
    return resolve(conditionHolds(condition, scope) ? yes : no, scope);
  },
  'Fn::Join': (argument, scope) => {
    const [separator, values] = list(argument, 'Fn::Join', 2);
    return list(resolve(values, scope), 'Fn::Join')
      .map((one) => text(one, 'Fn::Join'))
      .join(text(separator, 'Fn::Join'));
  },
  'Fn::Split': (argument, scope) => {
    const [separator, value] = list(argument, 'Fn::Split', 2);
    return text(resolve(value, scope), 'Fn::Split').split(text(separator, 'Fn::Split'));
  },
  'Fn::Select': (argument, scope) => {
    const [index, values] = list(argument, 'Fn::Select', 2);
    const chosen = list(resolve(values, scope), 'Fn::Select')[Number(resolve(index, scope))];
    if (chosen === undefined) throw templateError('Fn::Select cannot select nonexistent value at index');
    return chosen;
  },
  'Fn::FindInMap': (argument, scope) => {
    const [map, first, second] = list(argument, 'Fn::FindInMap', 3).map((one) =>
      text(resolve(one, scope), 'Fn::FindInMap'),
    );
    const found = (scope.template.mappings[map ?? '']?.[first ?? ''] as Record<string, unknown> | undefined)?.[
      second ?? ''
    ];
    if (found === undefined) throw templateError(`unable to get mapping for ${map}::${first}::${second}`);
    return found;
  },
  'Fn::Base64': (argument, scope) => Buffer.from(text(resolve(argument, scope), 'Fn::Base64')).toString('base64'),
};

/** @throws AwsError ValidationError */
export function resolve(value: unknown, scope: Scope): unknown {
  if (Array.isArray(value)) return value.map((one) => resolve(one, scope)).filter((one) => one !== NO_VALUE);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [name, argument] = entries.length === 1 ? (entries[0] as [string, unknown]) : ['', undefined];
  const intrinsic = FUNCTIONS[name];
  if (intrinsic) return intrinsic(argument, scope);
  if (name.startsWith('Fn::')) throw templateError(`the sandbox does not know ${name}`);
  const members = entries.map(([key, item]) => [key, resolve(item, scope)] as const);
  return Object.fromEntries(members.filter(([, item]) => item !== NO_VALUE));
}
