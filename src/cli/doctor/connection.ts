// One connection, as the workload that asks here: the token, the grant, the connection, the trust, AWS; the step that fails.
import type { Call } from '../call.ts';
import { EXIT, Failure } from '../failure.ts';
import { askForCredentials } from '../handed.ts';
import { type Check, type Finding, ok } from './findings.ts';

export type Step = 'workload' | 'grant' | 'connection' | 'trust' | 'aws' | 'service';

/** Whose fault a refusal is, by its code. What is not named here is the service's. */
const STEPS: Record<string, Step> = {
  ...{ invalid_client: 'workload', unauthenticated: 'workload', invalid_token: 'workload' },
  ...{ unauthorized_client: 'workload' },
  ...{ workload_suspended: 'workload', insufficient_scope: 'workload', usage: 'workload', file_unreadable: 'workload' },
  ...{ invalid_target: 'grant', not_found: 'grant', grant_ambiguous: 'grant' },
  ...{ duration_exceeds_limit: 'grant', duration_out_of_range: 'grant', invalid_request: 'grant' },
  ...{ session_policy_not_deny: 'grant', session_policy_too_large: 'grant' },
  ...{ connection_not_active: 'connection', connection_disconnected: 'connection' },
  ...{ sts_refused: 'trust' },
  ...{ sts_unavailable: 'aws', sts_throttled: 'aws', sts_answer_refused: 'aws' },
};

const WORDS: Record<Step, { fault: string; hint: string }> = {
  workload: {
    fault: 'The workload is refused',
    hint: 'Check the client and its key: `countersign whoami`, and `countersign workload show` as an administrator.',
  },
  grant: {
    fault: 'No grant lets this workload use the connection so',
    hint: '`countersign grant list --workload …` shows which there are, for which purpose and within which limits.',
  },
  connection: {
    fault: 'The connection is not brokered',
    hint: '`countersign connection show …` has its state and what to do about it.',
  },
  trust: {
    fault: "The account's trust refuses",
    hint: "The account's owner has to mend the role's trust: `countersign connection show …` has the line.",
  },
  aws: { fault: 'AWS does not answer as it should', hint: 'Wait, and look at the way from the service to STS.' },
  service: {
    fault: 'The service does not give it',
    hint: 'Look at `countersign doctor` without a connection, and at its log.',
  },
};

export function stepOf(code: string): Step {
  return STEPS[code] ?? 'service';
}

/** Asks once, for real: the hand-out is on record. */
export function checkConnection(call: Call<{ purpose?: string }>, connection: string): Check {
  const failed = (error: unknown): Finding => {
    if (!(error instanceof Failure)) throw error;
    const step = error.exit === EXIT.unreachable ? 'service' : stepOf(error.code);
    const { fault, hint } = WORDS[step];
    const asked = error.requestId === undefined ? '' : `, request ${error.requestId}`;
    const request = error.stsRequestId === undefined ? asked : `${asked}, AWS request ${error.stsRequestId}`;
    return {
      ...{ code: `connection_${step}`, severity: 'failure', subject: connection },
      ...{ detail: `${fault}: ${error.message} (${error.code}${request})`, hint: error.hint ?? hint },
    };
  };
  return {
    code: 'connection_service',
    look: async () => {
      try {
        const { RoleArn, Expiration } = await askForCredentials(call, { connection, purpose: call.options.purpose });
        const detail = `Session credentials of ${RoleArn} until ${Expiration}: token, grant, trust and STS agree.`;
        return [ok('connection_credentials', detail, connection)];
      } catch (error) {
        return [failed(error)];
      }
    },
  };
}
