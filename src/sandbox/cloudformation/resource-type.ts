// What CloudFormation needs to know of a kind of resource, and the reading of its properties.
import { AwsError } from '../wire/error.ts';
import type { Actor, Tag } from '../world.ts';
import type { Properties } from './stack.ts';

export interface Made {
  physicalId: string;
  attributes: Readonly<Record<string, string>>;
}

export interface ResourceType {
  properties: readonly string[];
  required: readonly string[];
  /** A change of one of these makes a new resource in place of the old. */
  immutable: readonly string[];
  /** The property that names it, if its owner may: such a one needs CAPABILITY_NAMED_IAM, and cannot be replaced under the same name. */
  nameProperty?: string;
  needsCapability: boolean;
  /**
   * @param claim says what to delete on rollback; called as soon as that is known, or may be somebody else's
   * @param generatedName for when the template gives none
   */
  create(
    actor: Actor,
    properties: Properties,
    claim: (physicalId: string) => void,
    generatedName: string,
  ): Made | Promise<Made>;
  /** Only with changes to properties that are not immutable. */
  update(actor: Actor, physicalId: string, before: Properties, after: Properties): Made | Promise<Made>;
  /** What is gone already is no error. */
  delete(actor: Actor, physicalId: string, properties: Properties): void;
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidRequest', `Properties validation failed: ${message}`, 400);
}

export function checkProperties(type: ResourceType, properties: Properties): void {
  for (const name of Object.keys(properties)) {
    if (!type.properties.includes(name)) throw invalid(`#: extraneous key [${name}] is not permitted`);
  }
  for (const name of type.required) {
    if (properties[name] === undefined) throw invalid(`#: required key [${name}] not found`);
  }
}

export function optionalString(properties: Properties, name: string): string | undefined {
  const value = properties[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw invalid(`#/${name}: expected type: String`);
  return value;
}

export function requiredString(properties: Properties, name: string): string {
  const value = optionalString(properties, name);
  if (value === undefined) throw invalid(`#: required key [${name}] not found`);
  return value;
}

export function strings(properties: Properties, name: string): string[] {
  const value = properties[name] ?? [];
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string'))
    throw invalid(`#/${name}: expected type: JSONArray`);
  return value;
}

/** A number, or a string that is one: parameters are always strings. */
export function optionalInteger(properties: Properties, name: string): number | undefined {
  const value = properties[name];
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || value === '') throw invalid(`#/${name}: expected type: Integer`);
  return number;
}

/** A policy document: an object, or a string of JSON, as Fn::Sub makes one. */
export function documentText(properties: Properties, name: string): string {
  const value = properties[name];
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) throw invalid(`#/${name}: expected type: JSONObject`);
  return JSON.stringify(value);
}

export function tagsOf(properties: Properties): Tag[] {
  const value = properties['Tags'] ?? [];
  if (!Array.isArray(value)) throw invalid('#/Tags: expected type: JSONArray');
  return value.map((tag: Properties) => ({ key: requiredString(tag, 'Key'), value: requiredString(tag, 'Value') }));
}

/** Runs a deletion; what is already gone is as good as deleted. */
export function tolerateMissing(remove: () => void): void {
  try {
    remove();
  } catch (error) {
    if (!(error instanceof AwsError && error.code === 'NoSuchEntity')) throw error;
  }
}
