// From an HTTP request to an operation of STS, IAM or CloudFormation, and back to XML.
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { identifyCaller } from './caller.ts';
import { cloudformation } from './cloudformation/operations.ts';
import type { Faults } from './faults.ts';
import { answerWithFault, beforeCall, sendWithFault } from './faults.ts';
import { iam } from './iam/operations.ts';
import type { Service } from './service.ts';
import { sts } from './sts/operations.ts';
import { AwsError } from './wire/error.ts';
import type { Form } from './wire/form.ts';
import { optionalText, parseForm } from './wire/form.ts';
import type { WireRequest } from './wire/request.ts';
import { headerOf } from './wire/request.ts';
import type { Xml } from './wire/xml.ts';
import { renderAnswer, renderError } from './wire/xml.ts';
import type { World } from './world.ts';

const SERVICES: readonly Service[] = [sts, iam, cloudformation];

export interface RecordedCall {
  action: string;
  accountId?: string;
  /** Milliseconds since the epoch. */
  at: number;
  /** `ok`, or the code of the error. */
  outcome: string;
  requestId: string;
}

const MAX_CALLS = 1000;

export function recordCall(calls: RecordedCall[], call: RecordedCall): void {
  calls.push(call);
  if (calls.length > MAX_CALLS) calls.shift();
}

function readForm(request: WireRequest): Form {
  if (request.method === 'GET') return parseForm(request.query);
  if (request.method !== 'POST') throw new AwsError('InvalidAction', 'Only GET and POST are answered.', 400);
  const type = headerOf(request, 'content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') {
    throw new AwsError('InvalidContentType', 'The content type must be application/x-www-form-urlencoded', 400);
  }
  return parseForm(request.body.toString('utf8'));
}

/** By the API version, which differs between the three, since they share one endpoint here. */
function findService(form: Form, action: string): Service {
  const version = optionalText(form, 'Version');
  const service = SERVICES.find((one) => one.version === version);
  if (service && (Object.hasOwn(service.signed, action) || Object.hasOwn(service.unsigned, action))) return service;
  throw new AwsError(
    'InvalidAction',
    `Could not find operation ${action} for version ${version ?? 'NO_VERSION_SPECIFIED'}`,
  );
}

interface Done {
  service: Service;
  result: Xml;
  accountId: string | undefined;
}

async function perform(world: World, request: WireRequest, form: Form, requestId: string): Promise<Done> {
  const action = optionalText(form, 'Action') ?? '';
  const service = findService(form, action);
  const unsigned = service.unsigned[action];
  if (unsigned) {
    const accountId = optionalText(form, 'RoleArn')?.split(':')[4];
    return { service, accountId, result: await unsigned(world, form, request.sourceIp) };
  }
  const actor = identifyCaller(world, request, service.name, requestId);
  const operation = service.signed[action] as NonNullable<Service['signed'][string]>;
  return { service, accountId: actor.account.accountId, result: await operation(actor, form) };
}

/** Whose account a call is about, as far as it can be told without trusting it. */
function accountOfCall(world: World, request: WireRequest, form: Form): string | undefined {
  const [, accessKeyId = ''] = /Credential=([^/]+)\//.exec(headerOf(request, 'authorization') ?? '') ?? [];
  const signer = world.sessions.get(accessKeyId)?.accountId ?? world.owners.get(accessKeyId)?.accountId;
  return signer ?? /^arn:[^:]*:iam::(\d{12}):/.exec(form.get('RoleArn') ?? '')?.[1];
}

/** What is no answer of AWS's is a fault of the sandbox, which its log tells. */
export function toAwsError(world: World, error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  world.log({ event: 'sandbox fault', reason: String((error as Error)?.stack ?? error) });
  return new AwsError('InternalFailure', 'The sandbox failed; its log says why.', 500);
}

export async function dispatch(
  world: World,
  faults: Faults,
  calls: RecordedCall[],
  request: WireRequest,
  response: ServerResponse,
): Promise<void> {
  const requestId = randomUUID();
  response.setHeader('x-amzn-RequestId', requestId);
  let form: Form = new Map();
  const settle = (outcome: string, accountId: string | undefined): void => {
    const action = form.get('Action') ?? '';
    recordCall(calls, { action, ...(accountId && { accountId }), at: world.now(), outcome, requestId });
    world.log({ event: 'call', action, account_id: accountId, outcome, request_id: requestId });
  };
  let fault: ReturnType<Faults['take']>;
  try {
    world.witness(request.body.toString());
    form = readForm(request);
    fault = faults.take(form.get('Action') ?? '', accountOfCall(world, request, form));
    await beforeCall(fault);
    if (fault?.kind === 'reset') {
      settle('reset', accountOfCall(world, request, form));
      return sendWithFault(response, fault, 500, '');
    }
    const { service, result, accountId } = await perform(world, request, form, requestId);
    settle('ok', accountId);
    const answer = renderAnswer(
      form.get('Action') as string,
      service.namespace,
      answerWithFault(fault, result),
      requestId,
    );
    world.witness(answer);
    sendWithFault(response, fault, 200, answer);
  } catch (cause) {
    const error = toAwsError(world, cause);
    settle(error.code, accountOfCall(world, request, form));
    const service = SERVICES.find(({ version }) => version === form.get('Version')) ?? sts;
    sendWithFault(response, fault, error.status, renderError(error, service.namespace, requestId));
  }
}
