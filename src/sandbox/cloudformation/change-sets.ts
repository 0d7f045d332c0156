// Change sets, as `aws cloudformation deploy` uses them: prepared, looked at, executed.
import { randomUUID } from 'node:crypto';
import type { Operation } from '../service.ts';
import { authorize } from '../policy/authorize.ts';
import { AwsError, validationError } from '../wire/error.ts';
import type { Form } from '../wire/form.ts';
import { checkLength, checkPattern, optionalText, requiredText } from '../wire/form.ts';
import type { Actor } from '../world.ts';
import { createStack, scopeOf } from './deploy.ts';
import { readDesired } from './desired.ts';
import { checkStackName, findStack, requireStack, stackArn } from './find.ts';
import type { ChangeSet, Stack } from './stack.ts';
import { setStackStatus } from './stack.ts';
import { begin, changesNothing, checkUpdatable, newStack } from './stacks.ts';
import { listChanges, updateStack } from './update.ts';

const NOTHING =
  "The submitted information didn't contain changes. Submit different information to create a change set.";

async function prepare(actor: Actor, form: Form): Promise<{ stack: Stack; changeSet: ChangeSet }> {
  const name = requiredText(form, 'StackName');
  const changeSetName = requiredText(form, 'ChangeSetName');
  checkLength('ChangeSetName', changeSetName, 1, 128);
  checkPattern('ChangeSetName', changeSetName, /^[a-zA-Z][-a-zA-Z0-9]*$/, '[a-zA-Z][-a-zA-Z0-9]*');
  const type = optionalText(form, 'ChangeSetType') === 'CREATE' ? 'CREATE' : 'UPDATE';
  const existing = findStack(actor, name);
  authorize(actor, 'cloudformation:CreateChangeSet', existing?.stackId ?? stackArn(actor, name, '*'));
  if (type === 'UPDATE' && !existing) throw validationError(`Stack [${name}] does not exist`);
  if (type === 'CREATE' && existing && existing.status !== 'REVIEW_IN_PROGRESS') {
    throw validationError(
      `Stack [${name}] already exists and cannot be created again with the changeSet [${changeSetName}].`,
    );
  }
  if (type === 'CREATE') checkStackName(name);
  const stack = existing ?? newStack(actor, name, form);
  if (type === 'UPDATE') checkUpdatable(stack);
  if (stack.changeSets.has(changeSetName)) {
    throw new AwsError(
      'AlreadyExistsException',
      `ChangeSet ${changeSetName} cannot be created due to a mismatch with existing attribute ClientRequestToken`,
    );
  }
  const desired = await readDesired(actor, form, stack);
  const nothing = type === 'UPDATE' && changesNothing(stack, desired);
  const id = stack.stackId.replace(/:stack\/.*$/, `:changeSet/${changeSetName}/${randomUUID()}`);
  const changeSet: ChangeSet = {
    id,
    name: changeSetName,
    type,
    desired,
    createdAt: actor.world.now(),
    changes: nothing ? [] : listChanges(stack, scopeOf(actor, stack, desired)),
    status: nothing ? 'FAILED' : 'CREATE_COMPLETE',
    reason: nothing ? NOTHING : undefined,
  };
  return { stack, changeSet };
}

function requireChangeSet(actor: Actor, form: Form, action: string): { stack: Stack; changeSet: ChangeSet } {
  const name = requiredText(form, 'ChangeSetName');
  const given = optionalText(form, 'StackName');
  const byId = actor.account.stacks
    .values()
    .find(({ changeSets }) => changeSets.values().some(({ id }) => id === name));
  const stack = given === undefined ? byId : requireStack(actor, given, action);
  if (stack) authorize(actor, action, stack.stackId);
  const changeSet = stack?.changeSets.values().find((one) => one.id === name || one.name === name);
  if (!stack || !changeSet) throw new AwsError('ChangeSetNotFound', `ChangeSet [${name}] does not exist`, 404);
  return { stack, changeSet };
}

export const changeSetOperations: Record<string, Operation> = {
  CreateChangeSet: async (actor, form) => {
    const { stack, changeSet } = await prepare(actor, form);
    if (!actor.account.stacks.has(stack.stackId)) {
      actor.account.stacks.set(stack.stackId, stack);
      setStackStatus(actor.world, stack, 'REVIEW_IN_PROGRESS', 'User Initiated');
    }
    stack.changeSets.set(changeSet.name, changeSet);
    return { Id: changeSet.id, StackId: stack.stackId };
  },
  DescribeChangeSet: (actor, form) => {
    const { stack, changeSet } = requireChangeSet(actor, form, 'cloudformation:DescribeChangeSet');
    const { desired } = changeSet;
    return {
      ChangeSetName: changeSet.name,
      ChangeSetId: changeSet.id,
      StackId: stack.stackId,
      StackName: stack.name,
      Parameters: desired.parameters.map(({ key, value, noEcho }) => ({
        ParameterKey: key,
        ParameterValue: noEcho ? '****' : value,
      })),
      CreationTime: new Date(changeSet.createdAt).toISOString(),
      ExecutionStatus: changeSet.status === 'FAILED' ? 'UNAVAILABLE' : 'AVAILABLE',
      Status: changeSet.status,
      StatusReason: changeSet.reason,
      Capabilities: desired.capabilities,
      Changes: changeSet.changes.map(({ action, logicalId, type }) => ({
        Type: 'Resource',
        ResourceChange: { Action: action, LogicalResourceId: logicalId, ResourceType: type, Scope: [], Details: [] },
      })),
    };
  },
  ExecuteChangeSet: async (actor, form) => {
    const { stack, changeSet } = requireChangeSet(actor, form, 'cloudformation:ExecuteChangeSet');
    if (changeSet.status === 'FAILED') {
      throw new AwsError(
        'InvalidChangeSetStatus',
        `ChangeSet [${changeSet.id}] cannot be executed in its current status of [FAILED]`,
      );
    }
    if (changeSet.type === 'UPDATE') checkUpdatable(stack);
    stack.changeSets.clear();
    stack.clientRequestToken = optionalText(form, 'ClientRequestToken');
    const run = changeSet.type === 'CREATE' ? createStack : updateStack;
    await begin(stack, () => run(actor, stack, changeSet.desired));
    return {};
  },
  DeleteChangeSet: (actor, form) => {
    const { stack, changeSet } = requireChangeSet(actor, form, 'cloudformation:DeleteChangeSet');
    stack.changeSets.delete(changeSet.name);
    return {};
  },
};
