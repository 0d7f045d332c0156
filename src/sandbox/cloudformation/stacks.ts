// CreateStack, UpdateStack, DeleteStack: the call is checked and answered, the work goes on.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { authorize } from '../policy/authorize.ts';
import type { Operation } from '../service.ts';
import { AwsError, validationError } from '../wire/error.ts';
import type { Form } from '../wire/form.ts';
import { constraintError, flag, optionalText, requiredText } from '../wire/form.ts';
import type { Xml } from '../wire/xml.ts';
import type { Actor } from '../world.ts';
import { createStack, deleteStack } from './deploy.ts';
import { readDesired } from './desired.ts';
import { checkStackName, findStack, requireStack, stackArn } from './find.ts';
import type { Desired, Stack } from './stack.ts';
import { updateStack } from './update.ts';

/** A waiter's second look comes thirty seconds later, so the answer waits this long for the work that takes less. */
const PATIENCE_MS = 250;

/** Begun at once, so that the status says so before the next call looks; after the work under way, if there is any. */
export async function begin(stack: Stack, work: () => Promise<void>): Promise<void> {
  const busy = stack.status.endsWith('_IN_PROGRESS') && stack.status !== 'REVIEW_IN_PROGRESS';
  stack.work = busy ? stack.work.then(work) : work();
  await Promise.race([stack.work, sleep(PATIENCE_MS, undefined, { ref: false })]);
}

function readOnFailure(form: Form): Stack['onFailure'] {
  const given = optionalText(form, 'OnFailure');
  if (given !== undefined && form.has('DisableRollback')) {
    throw validationError('You can specify either DisableRollback or OnFailure, but not both.');
  }
  if (given === undefined) return flag(form, 'DisableRollback') ? 'DO_NOTHING' : 'ROLLBACK';
  if (given === 'ROLLBACK' || given === 'DELETE' || given === 'DO_NOTHING') return given;
  throw constraintError('OnFailure', given, 'Member must satisfy enum value set: [DO_NOTHING, ROLLBACK, DELETE]');
}

/** A stack without anything in it yet. */
export function newStack(actor: Actor, name: string, form: Form): Stack {
  return {
    stackId: stackArn(actor, name, randomUUID()),
    name,
    region: actor.region,
    template: {
      text: '',
      description: undefined,
      parameters: {},
      mappings: {},
      conditions: {},
      resources: {},
      outputs: {},
    },
    parameters: [],
    capabilities: [],
    tags: [],
    status: 'REVIEW_IN_PROGRESS',
    reason: undefined,
    createdAt: actor.world.now(),
    updatedAt: undefined,
    deletedAt: undefined,
    outputs: [],
    resources: new Map(),
    events: [],
    onFailure: readOnFailure(form),
    protected: flag(form, 'EnableTerminationProtection'),
    clientRequestToken: optionalText(form, 'ClientRequestToken'),
    changeSets: new Map(),
    work: Promise.resolve(),
  };
}

/** The same token again is the same request again, answered as it was. */
function isRepeat(stack: Stack, form: Form): boolean {
  const token = optionalText(form, 'ClientRequestToken');
  return token !== undefined && stack.clientRequestToken === token;
}

/** Checks that stay out of a template: nothing is made when the update would change nothing. */
export function changesNothing(stack: Stack, desired: Desired): boolean {
  const essence = ({ template, parameters, tags }: Desired): string => {
    const { resources, outputs, conditions, mappings } = template;
    return JSON.stringify([resources, outputs, conditions, mappings, parameters, tags]);
  };
  return essence(stack) === essence(desired);
}

/** @throws AwsError ValidationError */
export function checkUpdatable(stack: Stack): void {
  if (/^(CREATE_COMPLETE|UPDATE_COMPLETE|UPDATE_ROLLBACK_COMPLETE|IMPORT_COMPLETE)$/.test(stack.status)) return;
  throw validationError(`Stack:${stack.stackId} is in ${stack.status} state and can not be updated.`);
}

const CREATE: Operation = async (actor, form): Promise<Xml> => {
  const name = requiredText(form, 'StackName');
  checkStackName(name);
  authorize(actor, 'cloudformation:CreateStack', stackArn(actor, name, '*'));
  const existing = findStack(actor, name);
  if (existing && isRepeat(existing, form)) return { StackId: existing.stackId };
  if (existing) throw new AwsError('AlreadyExistsException', `Stack [${name}] already exists`);
  const stack = newStack(actor, name, form);
  const desired = await readDesired(actor, form, stack);
  // Reading a template from a URL takes time, in which another call may have taken the name.
  if (findStack(actor, name)) throw new AwsError('AlreadyExistsException', `Stack [${name}] already exists`);
  actor.account.stacks.set(stack.stackId, stack);
  await begin(stack, () => createStack(actor, stack, desired));
  return { StackId: stack.stackId };
};

const UPDATE: Operation = async (actor, form): Promise<Xml> => {
  const name = requiredText(form, 'StackName');
  const stack = requireStack(actor, name, 'cloudformation:UpdateStack', `Stack [${name}] does not exist`);
  if (isRepeat(stack, form)) return { StackId: stack.stackId };
  checkUpdatable(stack);
  const desired = await readDesired(actor, form, stack);
  if (changesNothing(stack, desired)) throw validationError('No updates are to be performed.');
  checkUpdatable(stack);
  stack.clientRequestToken = optionalText(form, 'ClientRequestToken');
  await begin(stack, () => updateStack(actor, stack, desired));
  return { StackId: stack.stackId };
};

const DELETE: Operation = async (actor, form): Promise<Xml> => {
  const name = requiredText(form, 'StackName');
  const stack = findStack(actor, name);
  authorize(actor, 'cloudformation:DeleteStack', stack?.stackId ?? stackArn(actor, name, '*'));
  // Deleting what does not exist is no error.
  if (!stack || stack.deletedAt !== undefined) return undefined;
  if (stack.protected) {
    throw validationError(`Stack [${stack.name}] cannot be deleted while TerminationProtection is enabled`);
  }
  stack.clientRequestToken = optionalText(form, 'ClientRequestToken');
  await begin(stack, async () => deleteStack(actor, stack));
  return undefined;
};

export const stackOperations: Record<string, Operation> = {
  CreateStack: CREATE,
  UpdateStack: UPDATE,
  DeleteStack: DELETE,
  UpdateTerminationProtection: (actor, form) => {
    const stack = requireStack(actor, requiredText(form, 'StackName'), 'cloudformation:UpdateTerminationProtection');
    stack.protected = flag(form, 'EnableTerminationProtection');
    return { StackId: stack.stackId };
  },
};
