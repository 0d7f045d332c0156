// Which resources a stack has under its conditions, and in what order they can be made.
import { validationError } from '../wire/error.ts';
import type { Scope } from './intrinsics.ts';
import { conditionHolds, unresolvedIn } from './intrinsics.ts';
import { referencesIn } from './references.ts';
import type { ResourceDeclaration } from './template.ts';

/** @throws AwsError ValidationError for references to what is not there under these conditions, and circles */
export function orderResources(scope: Scope): [string, ResourceDeclaration][] {
  const { template } = scope;
  const holds = (condition: unknown): boolean => condition === undefined || conditionHolds(condition, scope);
  const present = Object.entries(template.resources).filter(([, { condition }]) => holds(condition));
  const names = new Set(present.map(([name]) => name));
  const known = (name: string): boolean =>
    names.has(name) || Object.hasOwn(scope.pseudo, name) || Object.hasOwn(template.parameters, name);
  const referred = (block: string, value: unknown): string[] => {
    const references = [...referencesIn(value, (condition, yes, no) => [conditionHolds(condition, scope) ? yes : no])];
    const referents = references.filter(([by]) => by !== 'Condition').map(([, name]) => name);
    const dangling = referents.filter((name) => !known(name));
    if (dangling.length > 0) throw unresolvedIn(block, dangling);
    return referents;
  };
  const needs = new Map<string, Set<string>>();
  for (const [name, { properties, dependsOn }] of present) {
    const all = [...referred('Resources', properties), ...dependsOn];
    needs.set(name, new Set(all.filter((one) => names.has(one))));
  }
  for (const output of Object.values(template.outputs)) if (holds(output['Condition'])) referred('Outputs', output);
  const ordered: [string, ResourceDeclaration][] = [];
  const pending = new Map(present);
  while (pending.size > 0) {
    const ready = [...pending].filter(([name]) => [...(needs.get(name) ?? [])].every((one) => !pending.has(one)));
    if (ready.length === 0)
      throw validationError(`Circular dependency between resources: [${[...pending.keys()].join(', ')}]`);
    for (const [name, declaration] of ready) {
      ordered.push([name, declaration]);
      pending.delete(name);
    }
  }
  return ordered;
}
