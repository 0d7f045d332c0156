// Names, paths, tags and ARNs of IAM, and their limits.
import { AwsError, limitExceeded, validationError } from '../wire/error.ts';
import { checkLength, checkPattern } from '../wire/form.ts';
import type { Xml } from '../wire/xml.ts';
import type { Actor, Tag } from '../world.ts';

const NAME = /^[\w+=,.@-]+$/;

/** Letters, digits and `+=,.@-_`. @throws AwsError ValidationError */
export function checkName(member: string, name: string, max: number): void {
  checkLength(member, name, 1, max);
  checkPattern(member, name, NAME, '[\\w+=,.@-]+');
}

export function checkPath(path: string): void {
  checkLength('Path', path, 1, 512);
  if (!/^\/([\x21-\x7e]+\/)?$/.test(path)) {
    throw validationError(
      'The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.',
    );
  }
}

const MAX_TAGS = 50;

export function checkTags(tags: readonly Tag[]): void {
  if (tags.length > MAX_TAGS) throw limitExceeded(`Cannot exceed quota for TagsPerResource: ${MAX_TAGS}`);
  const keys = new Set<string>();
  for (const { key, value } of tags) {
    checkLength('Tags', key, 1, 128);
    checkLength('Tags', value, 0, 256);
    if (keys.has(key.toLowerCase()))
      throw new AwsError('InvalidInput', 'Duplicate tag keys found. Please note that Tag keys are case insensitive.');
    keys.add(key.toLowerCase());
  }
}

export function mergeTags(tags: readonly Tag[], changes: readonly Tag[]): Tag[] {
  const changed = new Set(changes.map(({ key }) => key.toLowerCase()));
  return [...tags.filter(({ key }) => !changed.has(key.toLowerCase())), ...changes];
}

export function renderTags(tags: readonly Tag[]): Xml {
  return tags.map(({ key, value }) => ({ Key: key, Value: value }));
}

/** One partition knows nothing of another's policies, AWS's own included. @throws AwsError ValidationError */
export function checkPartition(actor: Actor, arn: string): void {
  const [, partition] = arn.split(':');
  if (partition !== undefined && partition !== actor.partition) throw validationError('Invalid ARN partition');
}

export function iamArn(actor: Actor, resource: string): string {
  return `arn:${actor.partition}:iam::${actor.account.accountId}:${resource}`;
}
