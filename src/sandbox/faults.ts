// Faults that a test or a demo may switch on: what a network and a busy AWS do to a caller.
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { AwsError } from './wire/error.ts';
import { type Xml, zulu } from './wire/xml.ts';

export interface Fault {
  /** e.g. `AssumeRoleWithWebIdentity`; every action if absent. */
  action?: string;
  /** 12 digits, whose calls alone it spoils; everybody's if absent. */
  accountId?: string;
  /**
   * `latency` waits, then goes on as usual; `throttle` answers Throttling; `error` answers `status` and `code`; `reset`
   * closes the connection without a word; `half` closes it in the middle of the true answer; `oversize` pads that
   * answer to many megabytes. Of AssumeRoleWithWebIdentity alone: `other_account`, `other_role` and `other_session` name
   * another account, unique id of the role or session than was made, `clock` says that it ends `offsetSeconds` later,
   * `large_token` makes its token 64 kB long.
   */
  kind: (typeof FAULT_KINDS)[number];
  /** Waited before any kind of fault; 1000 for `latency` if absent. */
  latencyMs?: number;
  /** HTTP status of `error`; 500 if absent. */
  status?: number;
  /** AWS's code of `error`, e.g. `IDPCommunicationError`; by status if absent. */
  code?: string;
  /** How often; until cleared if absent. */
  times?: number;
  /** Of `clock`, seconds; may be less than 0. 86 400 if absent. */
  offsetSeconds?: number;
}

export const FAULT_KINDS = [
  ...(['latency', 'throttle', 'error', 'reset', 'half', 'oversize'] as const),
  ...(['other_account', 'other_role', 'other_session', 'clock', 'large_token'] as const),
];

export interface Faults {
  add(fault: Fault): void;
  clear(): void;
  /** The first fault on this action of this account, used up by one. */
  take(action: string, accountId?: string): Fault | undefined;
  list(): Fault[];
}

export function createFaults(): Faults {
  const faults: Fault[] = [];
  return {
    add: (fault) => void faults.push({ ...fault }),
    clear: () => void faults.splice(0),
    list: () => faults.map((fault) => ({ ...fault })),
    take: (action, accountId) => {
      const fault = faults.find(
        (one) =>
          (one.action === undefined || one.action === action) &&
          (one.accountId === undefined || one.accountId === accountId),
      );
      if (fault?.times !== undefined) {
        fault.times -= 1;
        if (fault.times <= 0) faults.splice(faults.indexOf(fault), 1);
      }
      return fault;
    },
  };
}

/** What happens before the call is looked at. @throws AwsError for `throttle` and `error` */
export async function beforeCall(fault: Fault | undefined): Promise<void> {
  if (!fault) return;
  const wait = fault.latencyMs ?? (fault.kind === 'latency' ? 1000 : 0);
  if (wait > 0) await sleep(wait, undefined, { ref: false });
  if (fault.kind === 'throttle') throw new AwsError('Throttling', 'Rate exceeded', 400);
  if (fault.kind === 'error') {
    const status = fault.status ?? 500;
    const code =
      fault.code ?? (status === 503 ? 'ServiceUnavailable' : status >= 500 ? 'InternalFailure' : 'ValidationError');
    throw new AwsError(code, 'The sandbox was told to answer this.', status);
  }
}

const LARGE_TOKEN = 64 * 1024;

type Members = { readonly [member: string]: Xml };

/** The answer of AssumeRoleWithWebIdentity, told of another session than was made. */
export function answerWithFault(fault: Fault | undefined, result: Xml): Xml {
  if (!fault || typeof result !== 'object') return result;
  const told = result as Members;
  const user = told['AssumedRoleUser'] as Members | undefined;
  const credentials = told['Credentials'] as Members | undefined;
  if (!user || !credentials) return result;
  if (fault.kind === 'other_account')
    return { ...told, AssumedRoleUser: { ...user, Arn: String(user['Arn']).replace(/:\d{12}:/, ':999999999999:') } };
  if (fault.kind === 'other_role') {
    const other = String(user['AssumedRoleId']).replace(/^\w+/, 'AROAOTHEROTHEROTHER00');
    return { ...told, AssumedRoleUser: { ...user, AssumedRoleId: other } };
  }
  if (fault.kind === 'other_session') {
    const [Arn, AssumedRoleId] = [String(user['Arn']), String(user['AssumedRoleId'])];
    const other = { Arn: Arn.replace(/[^/]+$/, 'other'), AssumedRoleId: AssumedRoleId.replace(/[^:]+$/, 'other') };
    return { ...told, AssumedRoleUser: { ...user, ...other } };
  }
  if (fault.kind === 'large_token') {
    const SessionToken = String(credentials['SessionToken']).padEnd(LARGE_TOKEN, 'x');
    return { ...told, Credentials: { ...credentials, SessionToken } };
  }
  if (fault.kind === 'clock') {
    const at = Date.parse(String(credentials['Expiration'])) + (fault.offsetSeconds ?? 86_400) * 1000;
    return { ...told, Credentials: { ...credentials, Expiration: zulu(at) } };
  }
  return result;
}

const OVERSIZE_BYTES = 8 * 1024 * 1024;

/** Sends the answer, or spoils it. The call itself has been done either way. */
export function sendWithFault(response: ServerResponse, fault: Fault | undefined, status: number, xml: string): void {
  const body = Buffer.from(fault?.kind === 'oversize' ? `${xml}<!--${' '.repeat(OVERSIZE_BYTES)}-->` : xml);
  if (fault?.kind === 'reset') {
    response.socket?.resetAndDestroy();
    return;
  }
  response.writeHead(status, { 'content-type': 'text/xml', 'content-length': body.length });
  if (fault?.kind === 'half') {
    response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.socket?.destroy());
    return;
  }
  response.end(body);
}
