// An update of a stack: what changed is changed in place or made anew, what is gone is deleted last, and failure undoes it all.
import { AwsError } from '../wire/error.ts';
import type { Actor } from '../world.ts';
import {
  adopt,
  createResource,
  deleteResource,
  failedOnes,
  outputsOf,
  reasonOf,
  sameProperties,
  scopeOf,
} from './deploy.ts';
import type { Scope } from './intrinsics.ts';
import { resolve } from './intrinsics.ts';
import { orderResources } from './order.ts';
import type { ResourceType } from './resource-type.ts';
import { checkProperties } from './resource-type.ts';
import { resourceType } from './resource-types.ts';
import type { Desired, Properties, Stack, StackResource } from './stack.ts';
import { setResourceStatus, setStackStatus } from './stack.ts';
import type { ResourceDeclaration } from './template.ts';
import { textOf } from './text-of.ts';

interface Run {
  actor: Actor;
  stack: Stack;
  scope: Scope;
  /** How to take back what was done, the latest first. */
  undo: (() => void | Promise<void>)[];
  /** What is deleted once all else has worked. */
  superseded: StackResource[];
}

function mustReplace(type: ResourceType, before: Properties, after: Properties): boolean {
  const changed = type.immutable.filter((name) => !sameProperties({ v: before[name] }, { v: after[name] }));
  if (changed.length === 0) return false;
  const { nameProperty } = type;
  if (nameProperty !== undefined && after[nameProperty] !== undefined && before[nameProperty] === after[nameProperty]) {
    throw new AwsError(
      'InvalidRequest',
      `CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename ${textOf(after[nameProperty])} and update the stack again.`,
    );
  }
  return true;
}

async function changeInPlace(run: Run, resource: StackResource, type: ResourceType, after: Properties): Promise<void> {
  const { actor, stack } = run;
  const before = { ...resource };
  const apply = async (from: Properties, to: Properties): Promise<void> => {
    const made = await type.update(actor, resource.physicalId, from, to);
    Object.assign(resource, { ...made, properties: to });
  };
  setResourceStatus(actor.world, stack, resource, 'UPDATE_IN_PROGRESS');
  // Pushed first: an update that fails half way is taken back too.
  run.undo.push(async () => {
    setResourceStatus(actor.world, stack, resource, 'UPDATE_IN_PROGRESS');
    await apply(after, before.properties);
    setResourceStatus(actor.world, stack, resource, 'UPDATE_COMPLETE');
  });
  await apply(resource.properties, after);
  setResourceStatus(actor.world, stack, resource, 'UPDATE_COMPLETE');
}

async function bringAbout(run: Run, logicalId: string, declaration: ResourceDeclaration): Promise<void> {
  const { actor, stack, scope } = run;
  const existing = stack.resources.get(logicalId);
  const create = async (): Promise<void> => {
    run.undo.push(() => {
      const made = stack.resources.get(logicalId);
      if (made && made !== existing) deleteResource(actor, stack, made);
      stack.resources.delete(logicalId);
      if (existing) stack.resources.set(logicalId, existing);
    });
    await createResource(actor, stack, scope, logicalId, declaration);
  };
  if (!existing) return create();
  const type = resourceType(declaration.type);
  const after = resolve(declaration.properties, scope) as Properties;
  try {
    existing.retain = declaration.retain;
    if (existing.type !== declaration.type)
      throw new AwsError(
        'InvalidRequest',
        'Update of resource type is not permitted. The new template modifies resource type of the following resources: ' +
          logicalId,
      );
    checkProperties(type, after);
    if (sameProperties(existing.properties, after)) return;
    if (!mustReplace(type, existing.properties, after)) return await changeInPlace(run, existing, type, after);
  } catch (error) {
    setResourceStatus(actor.world, stack, existing, 'UPDATE_FAILED', reasonOf(actor, error));
    throw error;
  }
  run.superseded.push(existing);
  await create();
}

async function rollBack(run: Run, before: Desired, reason: string): Promise<void> {
  const { actor, stack } = run;
  setStackStatus(actor.world, stack, 'UPDATE_ROLLBACK_IN_PROGRESS', reason);
  adopt(stack, before);
  try {
    for (const step of run.undo.reverse()) await step();
  } catch (error) {
    return setStackStatus(actor.world, stack, 'UPDATE_ROLLBACK_FAILED', reasonOf(actor, error));
  }
  setStackStatus(actor.world, stack, 'UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS');
  setStackStatus(actor.world, stack, 'UPDATE_ROLLBACK_COMPLETE');
}

export async function updateStack(actor: Actor, stack: Stack, desired: Desired): Promise<void> {
  const { world } = actor;
  const before: Desired = {
    template: stack.template,
    parameters: stack.parameters,
    capabilities: stack.capabilities,
    tags: stack.tags,
  };
  const scope = scopeOf(actor, stack, desired);
  const run: Run = { actor, stack, scope, undo: [], superseded: [] };
  stack.updatedAt = world.now();
  setStackStatus(world, stack, 'UPDATE_IN_PROGRESS', 'User Initiated');
  adopt(stack, desired);
  try {
    const ordered = orderResources(scope);
    for (const [logicalId, declaration] of ordered) await bringAbout(run, logicalId, declaration);
    stack.outputs = outputsOf(scope);
    const wanted = new Set(ordered.map(([logicalId]) => logicalId));
    const removed = [...stack.resources.values()].filter(({ logicalId }) => !wanted.has(logicalId));
    for (const { logicalId } of removed) stack.resources.delete(logicalId);
    setStackStatus(world, stack, 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS');
    for (const resource of [...removed.reverse(), ...run.superseded.reverse()]) {
      if (!resource.retain) deleteResource(actor, stack, resource);
    }
    setStackStatus(world, stack, 'UPDATE_COMPLETE');
  } catch (error) {
    const failed = [...stack.resources.values()].some(({ status }) => status.endsWith('_FAILED'));
    await rollBack(run, before, failed ? failedOnes(stack, 'update') : (error as Error).message);
  }
}

/** What an update would do, for a change set: resources added, removed, or whose declaration differs. */
export function listChanges(stack: Stack, scope: Scope): { action: string; logicalId: string; type: string }[] {
  const ordered = orderResources({ ...scope, resource: () => undefined });
  const changes = ordered.map(([logicalId, declaration]) => {
    const before = stack.template.resources[logicalId];
    const existing = stack.resources.get(logicalId);
    const same = existing && before && sameProperties(before.properties, declaration.properties);
    return { action: !existing ? 'Add' : same ? 'None' : 'Modify', logicalId, type: declaration.type };
  });
  const wanted = new Set(ordered.map(([logicalId]) => logicalId));
  const removed = [...stack.resources.values()].filter(({ logicalId }) => !wanted.has(logicalId));
  return [...changes, ...removed.map(({ logicalId, type }) => ({ action: 'Remove', logicalId, type }))].filter(
    ({ action }) => action !== 'None',
  );
}
