// The kinds of resource that the sandbox can make: those of our own template.
import { validationError } from '../wire/error.ts';
import { oidcProvider } from './oidc-provider.ts';
import { inlinePolicy, managedPolicy } from './policy.ts';
import type { ResourceType } from './resource-type.ts';
import { role } from './role.ts';
import type { Template } from './template.ts';
import { formatError } from './template.ts';

const TYPES = new Map<string, ResourceType>([
  ['AWS::IAM::OIDCProvider', oidcProvider],
  ['AWS::IAM::Role', role],
  ['AWS::IAM::Policy', inlinePolicy],
  ['AWS::IAM::ManagedPolicy', managedPolicy],
]);

export function resourceType(name: string): ResourceType {
  const type = TYPES.get(name);
  if (!type) throw validationError(`Unrecognized resource types: [${name}]`);
  return type;
}

export function checkTypes(template: Template): void {
  const unknown = Object.values(template.resources)
    .map(({ type }) => type)
    .filter((type) => !TYPES.has(type));
  if (unknown.length > 0) throw formatError(`Unrecognized resource types: [${[...new Set(unknown)].join(', ')}]`);
}

/** The capability that a template needs, and the resource types that make it so. */
export function neededCapability(template: Template): { capability: string | undefined; types: string[] } {
  const needing = Object.values(template.resources).filter(({ type }) => TYPES.get(type)?.needsCapability);
  const named = needing.some(({ type, properties }) => {
    const name = TYPES.get(type)?.nameProperty;
    return name !== undefined && Object.hasOwn(properties, name);
  });
  const capability = needing.length === 0 ? undefined : named ? 'CAPABILITY_NAMED_IAM' : 'CAPABILITY_IAM';
  return { capability, types: [...new Set(needing.map(({ type }) => type))] };
}
