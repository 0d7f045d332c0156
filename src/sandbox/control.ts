// The sandbox's own small API, for a sandbox in another process: accounts, options, faults, calls. Loopback only.
import type { RecordedCall } from './dispatch.ts';
import type { Fault, Faults } from './faults.ts';
import { FAULT_KINDS } from './faults.ts';
import { isLoopback } from './loopback.ts';
import type { WireRequest } from './wire/request.ts';
import { headerOf } from './wire/request.ts';
import type { World } from './world.ts';
import { accountOf } from './world.ts';

export interface ControlAnswer {
  status: number;
  body: unknown;
}

type Members = Record<string, unknown>;

class ControlError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function bad(message: string): ControlError {
  return new ControlError(400, message);
}

/** A page in a browser must not reach this by a name that resolves here: owners' keys are handed out. */
function checkOrigin(request: WireRequest): void {
  const host = headerOf(request, 'host') ?? '';
  const parsed = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
  if (!parsed || !isLoopback(parsed.hostname)) throw new ControlError(421, 'call the sandbox by a loopback name');
  if (!isLoopback(request.sourceIp)) throw new ControlError(403, 'only loopback may control the sandbox');
  if (headerOf(request, 'origin') !== undefined) throw new ControlError(403, 'pages may not control the sandbox');
}

function readBody(request: WireRequest, allowed: readonly string[]): Members {
  if (headerOf(request, 'content-type')?.split(';')[0]?.trim() !== 'application/json') {
    throw new ControlError(415, 'send application/json');
  }
  let value: unknown;
  try {
    value = JSON.parse(request.body.toString('utf8'));
  } catch {
    throw bad('the body is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('the body must be an object');
  const unknown = Object.keys(value).find((name) => !allowed.includes(name));
  if (unknown !== undefined) throw bad(`unknown member ${unknown}; known are ${allowed.join(', ')}`);
  return value as Members;
}

function optionalNumber(members: Members, name: string, least = 0): number | undefined {
  const value = members[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < least)
    throw bad(`${name} must be a number${least === 0 ? ', 0 or more' : ''}`);
  return value;
}

function optionalString(members: Members, name: string): string | undefined {
  const value = members[name];
  if (value !== undefined && typeof value !== 'string') throw bad(`${name} must be a string`);
  return value;
}

function readFault(members: Members): Fault {
  const kind = FAULT_KINDS.find((one) => one === members['kind']);
  if (!kind) throw bad(`kind must be one of ${FAULT_KINDS.join(', ')}`);
  const given = {
    action: optionalString(members, 'action'),
    accountId: optionalString(members, 'account_id'),
    code: optionalString(members, 'code'),
    latencyMs: optionalNumber(members, 'latency_ms'),
    status: optionalNumber(members, 'status'),
    times: optionalNumber(members, 'times'),
    offsetSeconds: optionalNumber(members, 'offset_seconds', Number.NEGATIVE_INFINITY),
  };
  return {
    kind,
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<Fault>),
  };
}

function showFault(fault: Fault): Members {
  const { accountId, latencyMs, offsetSeconds, ...rest } = fault;
  return {
    ...rest,
    ...(accountId !== undefined && { account_id: accountId }),
    ...(latencyMs !== undefined && { latency_ms: latencyMs }),
    ...(offsetSeconds !== undefined && { offset_seconds: offsetSeconds }),
  };
}

function showOptions(world: World): Members {
  const { jwksCacheSeconds, consistencyDelayMs } = world.options;
  return { jwks_cache_seconds: jwksCacheSeconds, consistency_delay_ms: consistencyDelayMs };
}

function route(world: World, faults: Faults, calls: readonly RecordedCall[], request: WireRequest): unknown {
  switch (`${request.method} ${request.path}`) {
    case 'POST /_sandbox/accounts': {
      const accountId = optionalString(readBody(request, ['account_id']), 'account_id') ?? '';
      if (!/^\d{12}$/.test(accountId)) throw bad('account_id must be 12 digits');
      const { owner } = accountOf(world, accountId);
      return { account_id: accountId, access_key_id: owner.accessKeyId, secret_access_key: owner.secretAccessKey };
    }
    case 'GET /_sandbox/options':
      return showOptions(world);
    case 'PUT /_sandbox/options': {
      const members = readBody(request, ['jwks_cache_seconds', 'consistency_delay_ms']);
      const [cache, delay] = [
        optionalNumber(members, 'jwks_cache_seconds'),
        optionalNumber(members, 'consistency_delay_ms'),
      ];
      world.options.jwksCacheSeconds = cache ?? world.options.jwksCacheSeconds;
      world.options.consistencyDelayMs = delay ?? world.options.consistencyDelayMs;
      return showOptions(world);
    }
    case 'GET /_sandbox/faults':
      return { faults: faults.list().map(showFault) };
    case 'POST /_sandbox/faults':
      faults.add(
        readFault(
          readBody(request, [
            'action',
            'account_id',
            'kind',
            'latency_ms',
            'status',
            'code',
            'times',
            'offset_seconds',
          ]),
        ),
      );
      return { faults: faults.list().map(showFault) };
    case 'DELETE /_sandbox/faults':
      faults.clear();
      return { faults: [] };
    case 'GET /_sandbox/calls':
      return {
        calls: calls.map(({ action, accountId, at, outcome, requestId }) => ({
          action,
          account_id: accountId ?? null,
          at: new Date(at).toISOString(),
          outcome,
          request_id: requestId,
        })),
      };
    default:
      throw new ControlError(404, 'no such path or method; see GET /');
  }
}

export function control(
  world: World,
  faults: Faults,
  calls: readonly RecordedCall[],
  request: WireRequest,
): ControlAnswer {
  try {
    checkOrigin(request);
    return { status: 200, body: route(world, faults, calls, request) };
  } catch (error) {
    if (error instanceof ControlError) return { status: error.status, body: { error: error.message } };
    throw error;
  }
}
