// Makes, changes and deletes a stack's resources through the same code as IAM's own calls, and takes it all back on failure.
import { isDeepStrictEqual } from 'node:util';
import { randomBytes } from 'node:crypto';
import { AwsError } from '../wire/error.ts';
import type { Actor } from '../world.ts';
import type { Scope } from './intrinsics.ts';
import { conditionHolds, pseudoParameters, resolve, templateError } from './intrinsics.ts';
import { orderResources } from './order.ts';
import { checkProperties } from './resource-type.ts';
import { resourceType } from './resource-types.ts';
import type { Desired, Properties, Stack, StackOutput, StackResource } from './stack.ts';
import { setResourceStatus, setStackStatus } from './stack.ts';
import type { ResourceDeclaration } from './template.ts';
import { optionalTextOf } from './text-of.ts';

export function scopeOf(actor: Actor, stack: Stack, desired: Desired): Scope {
  const { accountId } = actor.account;
  return {
    template: desired.template,
    parameters: desired.parameters,
    pseudo: pseudoParameters({ accountId, region: stack.region, name: stack.name, stackId: stack.stackId }),
    resource: (logicalId) => stack.resources.get(logicalId),
  };
}

/** As CloudFormation words what a resource's own service refused. */
function reasonOf(actor: Actor, error: unknown): string {
  if (!(error instanceof AwsError)) {
    actor.world.log({ event: 'sandbox fault', reason: String((error as Error)?.stack ?? error) });
    return 'Internal Failure';
  }
  if (error.code === 'InvalidRequest') return error.message;
  const code =
    error.code === 'EntityAlreadyExists'
      ? 'AlreadyExists'
      : error.code === 'AccessDenied'
        ? 'AccessDenied'
        : 'GeneralServiceException';
  const service = `(Service: Iam, Status Code: ${error.status}, Request ID: ${actor.requestId})`;
  return `Resource handler returned message: "${error.message} ${service}" (RequestToken: ${actor.requestId}, HandlerErrorCode: ${code})`;
}

function generateName(stack: Stack, logicalId: string): string {
  const random = randomBytes(9).toString('base64url').replace(/[-_]/g, 'x');
  return `${stack.name.slice(0, 24)}-${logicalId.slice(0, 24)}-${random}`;
}

async function createResource(
  actor: Actor,
  stack: Stack,
  scope: Scope,
  logicalId: string,
  declaration: ResourceDeclaration,
): Promise<void> {
  const type = resourceType(declaration.type);
  const resource: StackResource = {
    logicalId,
    type: declaration.type,
    physicalId: '',
    attributes: {},
    properties: {},
    retain: declaration.retain,
    status: '',
    reason: undefined,
    at: 0,
  };
  stack.resources.delete(logicalId);
  stack.resources.set(logicalId, resource);
  setResourceStatus(actor.world, stack, resource, 'CREATE_IN_PROGRESS');
  try {
    resource.properties = resolve(declaration.properties, scope) as Properties;
    checkProperties(type, resource.properties);
    const claim = (physicalId: string): void => void (resource.physicalId = physicalId);
    const made = await type.create(actor, resource.properties, claim, generateName(stack, logicalId));
    resource.physicalId = made.physicalId;
    resource.attributes = made.attributes;
  } catch (error) {
    setResourceStatus(actor.world, stack, resource, 'CREATE_FAILED', reasonOf(actor, error));
    throw error;
  }
  setResourceStatus(actor.world, stack, resource, 'CREATE_COMPLETE');
}

/** @returns false when it would not go */
function deleteResource(actor: Actor, stack: Stack, resource: StackResource): boolean {
  const { world } = actor;
  if (resource.physicalId === '') {
    setResourceStatus(world, stack, resource, 'DELETE_COMPLETE');
    return true;
  }
  setResourceStatus(world, stack, resource, 'DELETE_IN_PROGRESS');
  try {
    resourceType(resource.type).delete(actor, resource.physicalId, resource.properties);
  } catch (error) {
    setResourceStatus(world, stack, resource, 'DELETE_FAILED', reasonOf(actor, error));
    return false;
  }
  setResourceStatus(world, stack, resource, 'DELETE_COMPLETE');
  return true;
}

/** From the last made to the first. @returns the logical ids that would not go */
function deleteAll(actor: Actor, stack: Stack, keepRetained: boolean): string[] {
  const failed: string[] = [];
  for (const resource of [...stack.resources.values()].reverse()) {
    // What a rollback took away may by now be somebody else's, under the same ARN or name.
    if (resource.status === 'DELETE_COMPLETE') continue;
    if (keepRetained && resource.retain) setResourceStatus(actor.world, stack, resource, 'DELETE_SKIPPED');
    else if (!deleteResource(actor, stack, resource)) failed.push(resource.logicalId);
  }
  return failed;
}

function outputsOf(scope: Scope): StackOutput[] {
  return Object.entries(scope.template.outputs).flatMap(([key, output]) => {
    const { Value, Description, Condition, Export } = output;
    if (Condition !== undefined && !conditionHolds(Condition, scope)) return [];
    const value = resolve(Value, scope);
    if (typeof value !== 'string' && typeof value !== 'number') throw templateError(`Output ${key} must be a string`);
    const name = (Export as Properties | undefined)?.['Name'];
    const exportName = name === undefined ? undefined : String(resolve(name, scope));
    return [
      {
        key,
        value: String(value),
        description: optionalTextOf(Description),
        exportName,
      },
    ];
  });
}

function failedOnes(stack: Stack, verb: string): string {
  const failed = [...stack.resources.values()]
    .filter(({ status }) => status.endsWith('_FAILED'))
    .map(({ logicalId }) => logicalId);
  return `The following resource(s) failed to ${verb}: [${failed.join(', ')}]. `;
}

function adopt(stack: Stack, desired: Desired): void {
  stack.template = desired.template;
  stack.parameters = desired.parameters;
  stack.capabilities = desired.capabilities;
  stack.tags = desired.tags;
}

export async function createStack(actor: Actor, stack: Stack, desired: Desired): Promise<void> {
  const { world } = actor;
  adopt(stack, desired);
  setStackStatus(world, stack, 'CREATE_IN_PROGRESS', 'User Initiated');
  const scope = scopeOf(actor, stack, desired);
  try {
    for (const [logicalId, declaration] of orderResources(scope))
      await createResource(actor, stack, scope, logicalId, declaration);
    stack.outputs = outputsOf(scope);
    setStackStatus(world, stack, 'CREATE_COMPLETE');
  } catch (error) {
    const failed = [...stack.resources.values()].some(({ status }) => status === 'CREATE_FAILED');
    const reason = failed ? failedOnes(stack, 'create') : (error as Error).message;
    if (stack.onFailure === 'DO_NOTHING') return setStackStatus(world, stack, 'CREATE_FAILED', reason);
    if (stack.onFailure === 'DELETE') return deleteStack(actor, stack);
    setStackStatus(world, stack, 'ROLLBACK_IN_PROGRESS', `${reason}Rollback requested by user.`);
    const left = deleteAll(actor, stack, false);
    setStackStatus(world, stack, left.length > 0 ? 'ROLLBACK_FAILED' : 'ROLLBACK_COMPLETE');
  }
}

export function deleteStack(actor: Actor, stack: Stack): void {
  const { world } = actor;
  setStackStatus(world, stack, 'DELETE_IN_PROGRESS', 'User Initiated');
  const failed = deleteAll(actor, stack, true);
  if (failed.length > 0) {
    return setStackStatus(
      world,
      stack,
      'DELETE_FAILED',
      `The following resource(s) failed to delete: [${failed.join(', ')}]. `,
    );
  }
  setStackStatus(world, stack, 'DELETE_COMPLETE');
  stack.deletedAt = world.now();
}

export { adopt, createResource, deleteResource, failedOnes, outputsOf, reasonOf };

export function sameProperties(before: Properties, after: Properties): boolean {
  return isDeepStrictEqual(before, after);
}
