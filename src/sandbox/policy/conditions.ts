// Condition operators of IAM policies, as the evaluation logic of IAM defines them.
import { BlockList, isIP } from 'node:net';
import type { Context } from './match.ts';
import { arnMatches, matches } from './match.ts';

/** Whether one value of the request satisfies one value of the policy. */
type Comparison = (wanted: string, given: string, context: Context, variables: boolean) => boolean;

interface Operator {
  compare: Comparison;
  /** A `Not…` operator: true when no value of the policy matches. */
  negated: boolean;
}

const text =
  (wildcards: boolean, ignoreCase: boolean): Comparison =>
  (wanted, given, context, variables) =>
    matches(wanted, given, { context, variables, wildcards, ignoreCase });

const arn: Comparison = (wanted, given, context, variables) =>
  arnMatches(wanted, given, { context, variables, wildcards: true });

const numeric =
  (holds: (given: number, wanted: number) => boolean): Comparison =>
  (wanted, given) => {
    if (wanted.trim() === '' || given.trim() === '') return false;
    return holds(Number(given), Number(wanted));
  };

/** ISO 8601, or seconds since the epoch. NaN, which no comparison satisfies, when it is neither. */
function instant(value: string): number {
  return /^\d+(\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value);
}

const date =
  (holds: (given: number, wanted: number) => boolean): Comparison =>
  (wanted, given) =>
    holds(instant(given), instant(wanted));

const bool: Comparison = (wanted, given) => wanted.toLowerCase() === given.toLowerCase();

/** The policy's value is base64 of the bytes that the key's value must be. */
const binary: Comparison = (wanted, given) => Buffer.from(wanted, 'base64').equals(Buffer.from(given));

const ip: Comparison = (wanted, given) => {
  const [network = '', prefix] = wanted.split('/');
  const family = isIP(network);
  if (family === 0 || isIP(given) === 0) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(network, prefix === undefined ? (family === 4 ? 32 : 128) : Number(prefix), type);
  return list.check(given, isIP(given) === 4 ? 'ipv4' : 'ipv6');
};

const is = (compare: Comparison): Operator => ({ compare, negated: false });
const isNot = (compare: Comparison): Operator => ({ compare, negated: true });

const OPERATORS = new Map<string, Operator>([
  ['stringequals', is(text(false, false))],
  ['stringnotequals', isNot(text(false, false))],
  ['stringequalsignorecase', is(text(false, true))],
  ['stringnotequalsignorecase', isNot(text(false, true))],
  ['stringlike', is(text(true, false))],
  ['stringnotlike', isNot(text(true, false))],
  ['arnequals', is(arn)],
  ['arnlike', is(arn)],
  ['arnnotequals', isNot(arn)],
  ['arnnotlike', isNot(arn)],
  ['bool', is(bool)],
  ['binaryequals', is(binary)],
  ['numericequals', is(numeric((given, wanted) => given === wanted))],
  ['numericnotequals', isNot(numeric((given, wanted) => given === wanted))],
  ['numericlessthan', is(numeric((given, wanted) => given < wanted))],
  ['numericlessthanequals', is(numeric((given, wanted) => given <= wanted))],
  ['numericgreaterthan', is(numeric((given, wanted) => given > wanted))],
  ['numericgreaterthanequals', is(numeric((given, wanted) => given >= wanted))],
  ['dateequals', is(date((given, wanted) => given === wanted))],
  ['datenotequals', isNot(date((given, wanted) => given === wanted))],
  ['datelessthan', is(date((given, wanted) => given < wanted))],
  ['datelessthanequals', is(date((given, wanted) => given <= wanted))],
  ['dategreaterthan', is(date((given, wanted) => given > wanted))],
  ['dategreaterthanequals', is(date((given, wanted) => given >= wanted))],
  ['ipaddress', is(ip)],
  ['notipaddress', isNot(ip)],
]);

interface Parsed {
  set: 'any' | 'all' | undefined;
  operator: Operator | 'null';
  ifExists: boolean;
}

/** `ForAnyValue:StringLikeIfExists` taken apart; undefined when IAM has no such operator. */
function parseOperator(name: string): Parsed | undefined {
  const [, prefix, rest = '', suffix] =
    /^(?:(forallvalues|foranyvalue):)?(.*?)(ifexists)?$/.exec(name.toLowerCase()) ?? [];
  const set = prefix === 'forallvalues' ? 'all' : prefix === 'foranyvalue' ? 'any' : undefined;
  if (rest === 'null') return set || suffix ? undefined : { set, operator: 'null', ifExists: false };
  const operator = OPERATORS.get(rest);
  return operator && { set, operator, ifExists: suffix !== undefined };
}

export function isOperator(name: string): boolean {
  return parseOperator(name) !== undefined;
}

function holds(
  parsed: Parsed,
  wanted: readonly string[],
  given: readonly string[] | undefined,
  context: Context,
  variables: boolean,
): boolean {
  const { operator, set, ifExists } = parsed;
  const present = given !== undefined && given.length > 0;
  if (operator === 'null') return wanted.some((value) => (value.toLowerCase() === 'true') !== present);
  // An absent key: ForAllValues is vacuously true, ForAnyValue false, `Not…` true, everything else false.
  if (!present) return ifExists || set === 'all' || (set === undefined && operator.negated);
  const one = (value: string): boolean =>
    wanted.some((want) => operator.compare(want, value, context, variables)) !== operator.negated;
  if (set === 'any') return given.some(one);
  if (set === 'all' || operator.negated) return given.every(one);
  return given.some(one);
}

export type Conditions = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** All operators and keys must hold. Undefined when an operator is unknown: the caller must then refuse. */
export function conditionsHold(conditions: Conditions, context: Context, variables: boolean): boolean | undefined {
  let all = true;
  for (const [name, keys] of Object.entries(conditions)) {
    const parsed = parseOperator(name);
    if (!parsed) return undefined;
    for (const [key, wanted] of Object.entries(keys)) {
      if (!holds(parsed, wanted, context.get(key.toLowerCase()), context, variables)) all = false;
    }
  }
  return all;
}
