// Finds stacks by name or id, and asks whether the caller may act on them.
import { authorize } from '../policy/authorize.ts';
import { validationError } from '../wire/error.ts';
import { checkLength, checkPattern } from '../wire/form.ts';
import type { Actor } from '../world.ts';
import type { Stack } from './stack.ts';

export function stackArn(actor: Actor, name: string, id: string): string {
  return `arn:${actor.partition}:cloudformation:${actor.region}:${actor.account.accountId}:stack/${name}/${id}`;
}

export function checkStackName(name: string): void {
  checkLength('StackName', name, 1, 128);
  checkPattern('StackName', name, /^[a-zA-Z][-a-zA-Z0-9]*$/, '[a-zA-Z][-a-zA-Z0-9]*');
}

/** A deleted stack is found by its id alone. Stacks of other regions are not here. */
export function findStack(actor: Actor, nameOrId: string): Stack | undefined {
  const stacks = actor.account.stacks.values().filter(({ region }) => region === actor.region);
  return stacks.find(
    ({ name, stackId, deletedAt }) => stackId === nameOrId || (name === nameOrId && deletedAt === undefined),
  );
}

/** @param action e.g. `cloudformation:DescribeStacks`. @throws AwsError AccessDenied, ValidationError */
export function requireStack(
  actor: Actor,
  nameOrId: string,
  action: string,
  missing = `Stack with id ${nameOrId} does not exist`,
): Stack {
  const stack = findStack(actor, nameOrId);
  const arn = stack?.stackId ?? (nameOrId.startsWith('arn:') ? nameOrId : stackArn(actor, nameOrId, '*'));
  authorize(actor, action, arn);
  if (!stack) throw validationError(missing);
  return stack;
}
