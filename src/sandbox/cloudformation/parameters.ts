// A template's parameters: what was given, what was declared, and whether the one satisfies the other.
import { validationError } from '../wire/error.ts';
import type { StackParameter } from './stack.ts';
import type { Template } from './template.ts';
import { formatError } from './template.ts';
import { textOf } from './text-of.ts';

export interface GivenParameter {
  key: string;
  value: string | undefined;
  usePrevious: boolean;
}

type Declaration = Readonly<Record<string, unknown>>;

const TYPES = ['String', 'Number', 'CommaDelimitedList', 'List<Number>', 'List<String>'];

function fullMatch(pattern: string, value: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`, 's').test(value);
  } catch {
    throw formatError(`Invalid regular expression in AllowedPattern: ${pattern}`);
  }
}

function breaks(declaration: Declaration, key: string, value: string): string | undefined {
  const {
    AllowedPattern: pattern,
    AllowedValues: values,
    MinLength,
    MaxLength,
    MinValue,
    MaxValue,
    Type,
  } = declaration;
  const list = Type === 'CommaDelimitedList' || String(Type).startsWith('List<') ? value.split(',') : [value];
  if (Array.isArray(values) && !list.every((one) => values.map(textOf).includes(one))) {
    return `Parameter '${key}' must be one of AllowedValues`;
  }
  if (typeof pattern === 'string' && !list.every((one) => fullMatch(pattern, one))) {
    return `Parameter '${key}' must match pattern ${pattern}`;
  }
  if (MinLength !== undefined && value.length < Number(MinLength))
    return `Parameter '${key}' must contain at least ${textOf(MinLength)} characters`;
  if (MaxLength !== undefined && value.length > Number(MaxLength))
    return `Parameter '${key}' must contain at most ${textOf(MaxLength)} characters`;
  const numeric = Type === 'Number' || Type === 'List<Number>';
  if (numeric && !list.every((one) => one.trim() !== '' && Number.isFinite(Number(one))))
    return `Parameter '${key}' must be a number`;
  if (MinValue !== undefined && Number(value) < Number(MinValue))
    return `Parameter '${key}' must be a number not less than ${textOf(MinValue)}`;
  if (MaxValue !== undefined && Number(value) > Number(MaxValue))
    return `Parameter '${key}' must be a number not greater than ${textOf(MaxValue)}`;
  return undefined;
}

export function isNoEcho(declaration: Declaration): boolean {
  return String(declaration['NoEcho']).toLowerCase() === 'true';
}

function checkDeclaration(key: string, declaration: Declaration): void {
  const type = String(declaration['Type']);
  if (!TYPES.includes(type) && !/^(List<)?AWS::EC2::/.test(type)) {
    throw formatError(`Unrecognized parameter type: ${type} for parameter ${key}`);
  }
}

/**
 * @param previous the stack's parameters before, for UsePreviousValue
 * @throws AwsError ValidationError
 */
export function resolveParameters(
  template: Template,
  given: readonly GivenParameter[],
  previous: readonly StackParameter[],
): StackParameter[] {
  const unknown = given.filter(({ key }) => !Object.hasOwn(template.parameters, key)).map(({ key }) => key);
  if (unknown.length > 0) throw validationError(`Parameters: [${unknown.join(', ')}] do not exist in the template`);
  const missing: string[] = [];
  const parameters = Object.entries(template.parameters).map(([key, declaration]) => {
    checkDeclaration(key, declaration);
    const one = given.find((parameter) => parameter.key === key);
    const before = previous.find((parameter) => parameter.key === key)?.value;
    const initial = declaration['Default'] === undefined ? undefined : textOf(declaration['Default']);
    const value = one?.usePrevious ? before : (one?.value ?? initial);
    if (value === undefined) missing.push(key);
    return { key, value: value ?? '', noEcho: isNoEcho(declaration) };
  });
  if (missing.length > 0) throw validationError(`Parameters: [${missing.join(', ')}] must have values`);
  for (const { key, value } of parameters) {
    const declaration = template.parameters[key] as Declaration;
    const problem = breaks(declaration, key, value);
    if (problem === undefined) continue;
    const description = declaration['ConstraintDescription'];
    throw validationError(
      description === undefined ? problem : `Parameter ${key} failed to satisfy constraint: ${textOf(description)}`,
    );
  }
  return parameters;
}

/** What `Ref` answers: a list for the list types. */
export function parameterValue(template: Template, { key, value }: StackParameter): string | string[] {
  const type = String(template.parameters[key]?.['Type']);
  const isList = type === 'CommaDelimitedList' || type.startsWith('List<');
  return isList ? value.split(',').map((one) => one.trim()) : value;
}
