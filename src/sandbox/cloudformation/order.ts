// Which resources a stack has under its conditions, and in what order they can be made.
import { validationError } from '../wire/error.ts';
import type { Scope } from './intrinsics.ts';
import { conditionHolds, SUB_VARIABLE } from './intrinsics.ts';
import type { ResourceDeclaration } from './template.ts';
import { formatError } from './template.ts';

/** The names that a value refers to: parameters and pseudo parameters too. Of an Fn::If, only the branch that is taken. */
export function referencesIn(value: unknown, scope: Scope, found: Set<string> = new Set()): Set<string> {
  if (Array.isArray(value)) {
    for (const one of value) referencesIn(one, scope, found);
    return found;
  }
  if (typeof value !== 'object' || value === null) return found;
  for (const [name, argument] of Object.entries(value)) {
    if (name === 'Ref') found.add(String(argument));
    else if (name === 'Fn::GetAtt')
      found.add(String(Array.isArray(argument) ? argument[0] : String(argument).split('.')[0]));
    else if (name === 'Fn::If' && Array.isArray(argument)) {
      referencesIn(conditionHolds(argument[0], scope) ? argument[1] : argument[2], scope, found);
    } else if (name === 'Fn::Sub') {
      const [template, variables] = Array.isArray(argument) ? argument : [argument, {}];
      for (const [, expression = ''] of String(template).matchAll(SUB_VARIABLE)) {
        const target = expression.trim();
        if (!Object.hasOwn(variables as object, target)) found.add(target.split('.')[0] as string);
      }
      referencesIn(variables, scope, found);
    } else referencesIn(argument, scope, found);
  }
  return found;
}

/** @throws AwsError ValidationError for unknown references and circles */
export function orderResources(scope: Scope): [string, ResourceDeclaration][] {
  const { template } = scope;
  const all = Object.entries(template.resources);
  const present = all.filter(([, { condition }]) => condition === undefined || conditionHolds(condition, scope));
  const names = new Set(present.map(([name]) => name));
  const known = (name: string): boolean =>
    names.has(name) || Object.hasOwn(scope.pseudo, name) || Object.hasOwn(template.parameters, name);
  const needs = new Map<string, Set<string>>();
  for (const [name, { properties, dependsOn }] of present) {
    const references = [...referencesIn(properties, scope)];
    const dangling = [
      ...references.filter((reference) => !known(reference)),
      ...dependsOn.filter((one) => !Object.hasOwn(template.resources, one)),
    ];
    if (dangling.length > 0) {
      throw formatError(
        `Unresolved resource dependencies [${dangling.join(', ')}] in the Resources block of the template`,
      );
    }
    needs.set(name, new Set([...references, ...dependsOn].filter((one) => names.has(one))));
  }
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
