// What a stack is: its template, its parameters, the resources made for it, and what happened, event by event.
import { randomUUID } from 'node:crypto';
import type { Tag, World } from '../world.ts';
import type { Template } from './template.ts';

export interface StackParameter {
  key: string;
  value: string;
  noEcho: boolean;
}

export interface StackResource {
  logicalId: string;
  type: string;
  /** What `Ref` answers: an ARN, or a name. Empty until there is something to delete. */
  physicalId: string;
  attributes: Readonly<Record<string, string>>;
  /** As resolved when it was last made or updated. */
  properties: Properties;
  retain: boolean;
  status: string;
  reason: string | undefined;
  at: number;
}

export type Properties = Readonly<Record<string, unknown>>;

export interface StackEvent {
  eventId: string;
  logicalId: string;
  physicalId: string;
  type: string;
  status: string;
  reason: string | undefined;
  at: number;
  clientRequestToken: string | undefined;
}

export interface StackOutput {
  key: string;
  value: string;
  description: string | undefined;
  exportName: string | undefined;
}

export interface Stack {
  stackId: string;
  name: string;
  region: string;
  template: Template;
  parameters: StackParameter[];
  capabilities: string[];
  tags: Tag[];
  status: string;
  reason: string | undefined;
  createdAt: number;
  updatedAt: number | undefined;
  deletedAt: number | undefined;
  outputs: StackOutput[];
  /** In the order of their making: deleted from the back. */
  resources: Map<string, StackResource>;
  events: StackEvent[];
  onFailure: 'ROLLBACK' | 'DELETE' | 'DO_NOTHING';
  protected: boolean;
  /** The token of the operation under way or last done. */
  clientRequestToken: string | undefined;
  changeSets: Map<string, ChangeSet>;
  /** Settles when the operation under way is over; never rejects. */
  work: Promise<void>;
}

/** What a create or update asks for. */
export interface Desired {
  template: Template;
  parameters: StackParameter[];
  capabilities: string[];
  tags: Tag[];
}

export interface ChangeSet {
  id: string;
  name: string;
  type: 'CREATE' | 'UPDATE';
  desired: Desired;
  changes: { action: string; logicalId: string; type: string }[];
  status: 'CREATE_COMPLETE' | 'FAILED';
  reason: string | undefined;
  createdAt: number;
}

export const STACK_TYPE = 'AWS::CloudFormation::Stack';

export function recordEvent(
  world: World,
  stack: Stack,
  event: Omit<StackEvent, 'eventId' | 'at' | 'clientRequestToken'>,
): void {
  const own = event.type === STACK_TYPE ? randomUUID() : `${event.logicalId}-${event.status}-${randomUUID()}`;
  stack.events.push({ ...event, eventId: own, at: world.now(), clientRequestToken: stack.clientRequestToken });
}

export function setStackStatus(world: World, stack: Stack, status: string, reason?: string): void {
  stack.status = status;
  stack.reason = reason;
  recordEvent(world, stack, { logicalId: stack.name, physicalId: stack.stackId, type: STACK_TYPE, status, reason });
}

export function setResourceStatus(
  world: World,
  stack: Stack,
  resource: StackResource,
  status: string,
  reason?: string,
): void {
  resource.status = status;
  resource.reason = reason;
  resource.at = world.now();
  const { logicalId, physicalId, type } = resource;
  recordEvent(world, stack, { logicalId, physicalId, type, status, reason });
}
