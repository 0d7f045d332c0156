// What the values of a template refer to, and that all of it is declared, in whichever branch or output it stands.
import { pseudoParameters, SUB_VARIABLE, templateError, unresolvedIn } from './intrinsics.ts';
import type { Template } from './template.ts';

/** A `Ref` is to a parameter, a pseudo parameter or a resource. */
export type Reference = readonly [by: 'Ref' | 'Fn::GetAtt' | 'Condition', name: string];

/** Of an Fn::If, the values that count. */
export type Branches = (condition: unknown, yes: unknown, no: unknown) => unknown[];

export function* referencesIn(value: unknown, branches: Branches): Generator<Reference> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, argument] of Object.entries(value)) {
    if (name === 'Ref') yield [name, String(argument)];
    else if (name === 'Condition' && typeof argument === 'string') yield [name, argument];
    else if (name === 'Fn::GetAtt') {
      yield [name, String(Array.isArray(argument) ? argument[0] : String(argument).split('.')[0])];
    } else if (name === 'Fn::If' && Array.isArray(argument)) {
      const [condition, yes, no] = argument;
      yield ['Condition', String(condition)];
      yield* referencesIn(branches(condition, yes, no), branches);
    } else if (name === 'Fn::Sub') {
      const [template, variables] = Array.isArray(argument) ? argument : [argument, {}];
      for (const [, expression = ''] of String(template).matchAll(SUB_VARIABLE)) {
        const [target = '', attribute] = expression.trim().split('.');
        if (Object.hasOwn(variables as object, expression.trim())) continue;
        yield [attribute === undefined ? 'Ref' : 'Fn::GetAtt', target];
      }
      yield* referencesIn(variables, branches);
    } else yield* referencesIn(argument, branches);
  }
}

const PSEUDO = Object.keys(pseudoParameters({ accountId: '', region: '', name: '', stackId: '' }));

const both: Branches = (_, yes, no) => [yes, no];

/** As CloudFormation looks at a template before anything else, without parameters. @throws AwsError ValidationError */
export function checkReferences(template: Template): void {
  const { parameters, resources, conditions, outputs } = template;
  const isInput = (name: string): boolean => PSEUDO.includes(name) || Object.hasOwn(parameters, name);
  const check = (block: string, value: unknown, others: readonly Reference[] = []): void => {
    const references = [...others, ...referencesIn(value, both)];
    const [, condition] = references.find(([by, name]) => by === 'Condition' && !Object.hasOwn(conditions, name)) ?? [];
    if (condition !== undefined) throw templateError(`unresolved condition dependency ${condition}`);
    const dangling = references.filter(([by, name]) => {
      if (by === 'Condition' || (by === 'Ref' && isInput(name))) return false;
      return block === 'Conditions' || !Object.hasOwn(resources, name);
    });
    if (dangling.length > 0) {
      throw unresolvedIn(
        block,
        dangling.map(([, name]) => name),
      );
    }
  };
  check('Conditions', conditions);
  for (const { properties, condition, dependsOn } of Object.values(resources)) {
    const others = dependsOn.map((name): Reference => ['Fn::GetAtt', name]);
    check('Resources', properties, condition === undefined ? others : [...others, ['Condition', condition]]);
  }
  for (const output of Object.values(outputs)) check('Outputs', output);
}
