// CloudFormation templates: YAML with short tags or JSON, read into sections and checked for form.
import type { Node, Tags } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { validationError } from '../wire/error.ts';

type Members = Readonly<Record<string, unknown>>;

export interface ResourceDeclaration {
  type: string;
  condition: string | undefined;
  dependsOn: readonly string[];
  retain: boolean;
  properties: Members;
}

export interface Template {
  text: string;
  description: string | undefined;
  parameters: Readonly<Record<string, Members>>;
  mappings: Readonly<Record<string, Members>>;
  conditions: Members;
  resources: Readonly<Record<string, ResourceDeclaration>>;
  outputs: Readonly<Record<string, Members>>;
}

export function formatError(message: string): Error {
  return validationError(`Template format error: ${message}`);
}

function withTag(tag: string, value: unknown): unknown {
  const name = tag.slice(1);
  if (name === 'Ref' || name === 'Condition') return { [name]: value };
  if (name === 'GetAtt' && typeof value === 'string') {
    const dot = value.indexOf('.');
    return { 'Fn::GetAtt': [value.slice(0, dot), value.slice(dot + 1)] };
  }
  return { [`Fn::${name}`]: value };
}

const TAG = /^![A-Z][A-Za-z]+$/;

function toValue(node: unknown): unknown {
  if (node === null || node === undefined) return null;
  if (isAlias(node)) throw formatError('YAML aliases are not allowed in CloudFormation templates');
  const { tag } = node as Node;
  let value: unknown = null;
  if (isScalar(node)) value = node.value;
  else if (isSeq(node)) value = node.items.map(toValue);
  else if (isMap(node)) {
    value = Object.fromEntries(node.items.map(({ key, value: item }) => [String(toValue(key)), toValue(item)]));
  }
  return tag && TAG.test(tag) ? withTag(tag, value) : value;
}

/** What CloudFormation leaves out of YAML 1.1: a version such as 2012-10-17 stays text. */
const NOT_READ = ['binary', 'merge', 'omap', 'pairs', 'set', 'timestamp'].map((name) => `tag:yaml.org,2002:${name}`);

const customTags = (tags: Tags): Tags => tags.filter((one) => typeof one === 'string' || !NOT_READ.includes(one.tag));

function readText(text: string): unknown {
  if (/^\s*\{/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      throw formatError('JSON not well-formed.');
    }
  }
  // As CloudFormation: in YAML 1.1 `on` is true, and 12:30 is 750.
  // Unknown tags stay on their nodes, where `toValue` finds them; the library's warning about them is not wanted.
  const document = parseDocument(text, { version: '1.1', customTags, logLevel: 'silent', uniqueKeys: true });
  const [error] = document.errors;
  if (error) {
    const [at] = error.linePos ?? [];
    throw formatError(`YAML not well-formed. (line ${at?.line ?? 0}, column ${at?.col ?? 0})`);
  }
  return toValue(document.contents);
}

export function membersOf(value: unknown, what: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw formatError(`${what} must be an object.`);
  return value as Members;
}

function section(template: Members, name: string): Readonly<Record<string, Members>> {
  const members = membersOf(template[name] ?? {}, name);
  for (const [key, value] of Object.entries(members)) {
    if (!/^[A-Za-z0-9]+$/.test(key)) throw formatError(`${name} name ${key} is non alphanumeric.`);
    membersOf(value, `[/${name}/${key}]`);
  }
  return members as Record<string, Members>;
}

const RESOURCE_MEMBERS = [
  'Type',
  'Properties',
  'Condition',
  'DependsOn',
  'DeletionPolicy',
  'UpdateReplacePolicy',
  'Metadata',
  'CreationPolicy',
  'UpdatePolicy',
];

function readResource(name: string, given: Members): ResourceDeclaration {
  const { Type: type, Condition: condition, DependsOn: dependsOn = [], DeletionPolicy: deletion = 'Delete' } = given;
  if (typeof type !== 'string')
    throw formatError(`[/Resources/${name}] Every Resources object must contain a Type member.`);
  const unknown = Object.keys(given).find((member) => !RESOURCE_MEMBERS.includes(member));
  if (unknown) throw formatError(`Invalid template resource property '${unknown}'`);
  if (condition !== undefined && typeof condition !== 'string')
    throw formatError(`[/Resources/${name}/Condition] must be a string`);
  if (!['Delete', 'Retain', 'RetainExceptOnCreate'].includes(String(deletion))) {
    throw formatError(`Unrecognized DeletionPolicy ${String(deletion)} for resource ${name}`);
  }
  return {
    type,
    condition,
    dependsOn: (Array.isArray(dependsOn) ? dependsOn : [dependsOn]).map(String),
    retain: deletion !== 'Delete',
    properties: membersOf(given['Properties'] ?? {}, `[/Resources/${name}/Properties]`),
  };
}

const SECTIONS = [
  'AWSTemplateFormatVersion',
  'Description',
  'Metadata',
  'Parameters',
  'Mappings',
  'Conditions',
  'Resources',
  'Outputs',
];

/** @throws AwsError ValidationError */
export function parseTemplate(text: string): Template {
  const template = membersOf(readText(text), 'The template');
  const unknown = Object.keys(template).filter((name) => !SECTIONS.includes(name));
  if (unknown.includes('Transform') || unknown.includes('Rules')) {
    throw validationError(`The sandbox does not know the section ${unknown.join(', ')} of a template`);
  }
  if (unknown.length > 0) throw validationError(`Invalid template property or properties [${unknown.join(', ')}]`);
  const { AWSTemplateFormatVersion: version = '2010-09-09', Description: description } = template;
  if (version !== '2010-09-09') throw formatError(`Template format version not supported: ${String(version)}`);
  if (description !== undefined && (typeof description !== 'string' || description.length > 1024)) {
    throw formatError("'Description' length is greater than 1024.");
  }
  const resources = section(template, 'Resources');
  if (Object.keys(resources).length === 0) throw formatError('At least one Resources member must be defined.');
  return {
    text,
    description,
    parameters: section(template, 'Parameters'),
    mappings: section(template, 'Mappings'),
    conditions: membersOf(template['Conditions'] ?? {}, 'Conditions'),
    resources: Object.fromEntries(Object.entries(resources).map(([name, given]) => [name, readResource(name, given)])),
    outputs: section(template, 'Outputs'),
  };
}
