// What a caller asks a stack to become: template, parameters, capabilities and tags, read from the wire and checked at once.
import { isLoopback } from '../loopback.ts';
import { fetchTemplate } from './template-url.ts';
import { AwsError, validationError } from '../wire/error.ts';
import type { Form } from '../wire/form.ts';
import { constraintError, flag, listOf, optionalText, tagsOf, texts } from '../wire/form.ts';
import type { Actor } from '../world.ts';
import { conditionHolds } from './intrinsics.ts';
import { orderResources } from './order.ts';
import { resolveParameters } from './parameters.ts';
import { checkReferences } from './references.ts';
import { scopeOf } from './deploy.ts';
import { checkTypes, neededCapability } from './resource-types.ts';
import type { Desired, Stack } from './stack.ts';
import type { Template } from './template.ts';
import { parseTemplate } from './template.ts';

const MAX_BODY_BYTES = 51200;

function checkBody(body: string): string {
  if (Buffer.byteLength(body) <= MAX_BODY_BYTES) return body;
  throw constraintError('TemplateBody', body, `Member must have length less than or equal to ${MAX_BODY_BYTES}`);
}

async function readUrl(url: string): Promise<string> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // Loopback is the sandbox's stand-in for S3, the only place AWS takes a template from.
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol) || !isLoopback(parsed.hostname)) {
    throw validationError('TemplateURL must be a supported URL.');
  }
  return await fetchTemplate(parsed);
}

/** The template's text: in the call, at a URL, or the stack's own. @throws AwsError ValidationError */
export async function readTemplate(form: Form, stack: Stack | undefined): Promise<Template> {
  const [body, url] = [optionalText(form, 'TemplateBody'), optionalText(form, 'TemplateURL')];
  const previous = flag(form, 'UsePreviousTemplate');
  if ([body !== undefined, url !== undefined, previous].filter(Boolean).length !== 1) {
    throw validationError('Either Template URL or Template Body must be specified.');
  }
  if (previous) {
    if (!stack || stack.template.text === '') throw validationError('Previous template is not available');
    return stack.template;
  }
  const template = parseTemplate(body === undefined ? await readUrl(url as string) : checkBody(body));
  checkReferences(template);
  return template;
}

function checkCapabilities(template: Template, given: readonly string[]): void {
  for (const capability of given) {
    if (!['CAPABILITY_IAM', 'CAPABILITY_NAMED_IAM', 'CAPABILITY_AUTO_EXPAND'].includes(capability)) {
      throw constraintError(
        'Capabilities',
        capability,
        'Member must satisfy enum value set: [CAPABILITY_AUTO_EXPAND, CAPABILITY_NAMED_IAM, CAPABILITY_IAM]',
      );
    }
  }
  const { capability } = neededCapability(template);
  if (capability === undefined || given.includes('CAPABILITY_NAMED_IAM') || given.includes(capability)) return;
  throw new AwsError('InsufficientCapabilitiesException', `Requires capabilities : [${capability}]`);
}

/** CloudFormation puts a secret in its place; left as text it would become part of a trust or a policy unseen. */
function refuseDynamicReferences({ template, parameters }: Desired): void {
  const properties = Object.values(template.resources).map((resource) => resource.properties);
  const values = JSON.stringify([properties, parameters.map(({ value }) => value)]);
  const [reference] = /\{\{resolve:[a-z-]*/.exec(values) ?? [];
  if (reference === undefined) return;
  throw validationError(
    `The sandbox has no secrets and no SSM parameters: it cannot resolve ${reference}:…}} in a resource's properties`,
  );
}

/** @throws AwsError ValidationError, InsufficientCapabilitiesException */
export async function readDesired(actor: Actor, form: Form, stack: Stack): Promise<Desired> {
  const template = await readTemplate(form, stack);
  checkTypes(template);
  const given = listOf(form, 'Parameters').map((one) => ({
    key: one.get('ParameterKey') ?? '',
    value: one.get('ParameterValue'),
    usePrevious: flag(one, 'UsePreviousValue'),
  }));
  const capabilities = texts(form, 'Capabilities');
  const parameters = resolveParameters(template, given, stack.parameters);
  const tags = form.has('Tags.member.1.Key') ? tagsOf(form) : stack.tags;
  const desired: Desired = { template, parameters, capabilities, tags };
  refuseDynamicReferences(desired);
  const scope = scopeOf(actor, stack, desired);
  for (const name of Object.keys(template.conditions)) conditionHolds(name, scope);
  orderResources(scope);
  checkCapabilities(template, capabilities);
  return desired;
}
