// Stacks, their events and resources, as CloudFormation shows them.
import type { Xml } from '../wire/xml.ts';
import type { Stack, StackEvent, StackResource } from './stack.ts';

function time(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

/** A NoEcho parameter is never shown again. */
function showParameters(stack: Stack): Xml {
  return stack.parameters.map(({ key, value, noEcho }) => ({
    ParameterKey: key,
    ParameterValue: noEcho ? '****' : value,
  }));
}

export function showStack(stack: Stack): Xml {
  return {
    StackId: stack.stackId,
    StackName: stack.name,
    Description: stack.template.description,
    Parameters: showParameters(stack),
    CreationTime: time(stack.createdAt),
    DeletionTime: stack.deletedAt === undefined ? undefined : time(stack.deletedAt),
    LastUpdatedTime: stack.updatedAt === undefined ? undefined : time(stack.updatedAt),
    RollbackConfiguration: {},
    StackStatus: stack.status,
    StackStatusReason: stack.reason,
    DisableRollback: stack.onFailure === 'DO_NOTHING',
    NotificationARNs: [],
    Capabilities: stack.capabilities,
    Outputs: stack.outputs.map(({ key, value, description, exportName }) => ({
      OutputKey: key,
      OutputValue: value,
      Description: description,
      ExportName: exportName,
    })),
    Tags: stack.tags.map(({ key, value }) => ({ Key: key, Value: value })),
    EnableTerminationProtection: stack.protected,
    DriftInformation: { StackDriftStatus: 'NOT_CHECKED' },
  };
}

export function showSummary(stack: Stack): Xml {
  return {
    StackId: stack.stackId,
    StackName: stack.name,
    TemplateDescription: stack.template.description,
    CreationTime: time(stack.createdAt),
    DeletionTime: stack.deletedAt === undefined ? undefined : time(stack.deletedAt),
    StackStatus: stack.status,
    StackStatusReason: stack.reason,
    DriftInformation: { StackDriftStatus: 'NOT_CHECKED' },
  };
}

export function showEvent(stack: Stack, event: StackEvent): Xml {
  return {
    StackId: stack.stackId,
    EventId: event.eventId,
    StackName: stack.name,
    LogicalResourceId: event.logicalId,
    PhysicalResourceId: event.physicalId,
    ResourceType: event.type,
    Timestamp: time(event.at),
    ResourceStatus: event.status,
    ResourceStatusReason: event.reason,
    ClientRequestToken: event.clientRequestToken,
  };
}

export function showResource(stack: Stack, resource: StackResource): Xml {
  return {
    StackName: stack.name,
    StackId: stack.stackId,
    LogicalResourceId: resource.logicalId,
    PhysicalResourceId: resource.physicalId,
    ResourceType: resource.type,
    Timestamp: time(resource.at),
    LastUpdatedTimestamp: time(resource.at),
    ResourceStatus: resource.status,
    ResourceStatusReason: resource.reason,
    DriftInformation: { StackResourceDriftStatus: 'NOT_CHECKED' },
  };
}
