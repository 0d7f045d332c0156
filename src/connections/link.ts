// The quick-create link: CloudFormation's console with the published template and a connection's parameters filled in.
import { consoleHost, type Partition } from '../clouds/aws-regions.ts';
import { ADDITION_NAMES, ADDITIONS, type Addition, type PermissionSet } from './permission-sets.ts';
import { roleSessionSeconds } from './template.ts';

export interface LinkValues {
  id: string;
  issuer: string;
  subject: string;
  partition: Partition;
  region: string;
  roleName: string;
  permissionSet: Exclude<PermissionSet, 'custom'>;
  additions: readonly Addition[];
  maxSessionSeconds: number;
  sessionTags: boolean;
  sourceIdentity: boolean;
}

/** A part of the id that people can tell connections apart by: the first ten of its random characters. */
export function shortName(id: string): string {
  return `countersign-${id.slice(id.indexOf('_') + 1).slice(0, 10)}`;
}

/** The parameters of the published template for one connection. */
export function templateParameters(values: LinkValues): Record<string, string> {
  const withAdditions = values.permissionSet === 'core' ? values.additions : [];
  return {
    IssuerId: values.issuer,
    ConnectionId: values.subject,
    RoleName: values.roleName,
    PermissionSet: values.permissionSet,
    ...Object.fromEntries(
      ADDITIONS.map((addition) => [ADDITION_NAMES[addition], String(withAdditions.includes(addition))]),
    ),
    MaxSessionDuration: String(roleSessionSeconds(values.maxSessionSeconds)),
    SessionTags: String(values.sessionTags),
    SourceIdentity: String(values.sourceIdentity),
  };
}

/** The console keeps the query behind the `#`; whoever opens the link may edit it, and STS shows what came of that. */
export function buildLink(templateUrl: string, values: LinkValues): { url: string; stackName: string } {
  const stackName = shortName(values.id);
  const parameters = Object.entries(templateParameters(values)).map(([name, value]) => [`param_${name}`, value]);
  const query = [['templateURL', templateUrl], ['stackName', stackName], ...parameters]
    .map(([name, value]) => `${name}=${encodeURIComponent(value ?? '')}`)
    .join('&');
  const host = consoleHost(values.partition, values.region);
  return {
    url: `https://${host}/cloudformation/home?region=${values.region}#/stacks/create/review?${query}`,
    stackName,
  };
}
