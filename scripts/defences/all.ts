// Every defence, subject by subject.
import { agent } from './agent.ts';
import { agentRunning } from './agent-running.ts';
import { answers } from './answers.ts';
import { broker } from './broker.ts';
import { callers } from './callers.ts';
import { canaries } from './canaries.ts';
import { command } from './command.ts';
import { connections } from './connections.ts';
import { custody } from './custody.ts';
import { data } from './data.ts';
import { database } from './database.ts';
import type { Defence } from './defence.ts';
import { doctor } from './doctor.ts';
import { documents } from './documents.ts';
import { egress } from './egress.ts';
import { exec } from './exec.ts';
import { failures } from './failures.ts';
import { federation } from './federation.ts';
import { fuzz } from './fuzz.ts';
import { grants } from './grants.ts';
import { heldSessions } from './held-sessions.ts';
import { http } from './http.ts';
import { incident } from './incident.ts';
import { inTime } from './in-time.ts';
import { issuerKeys } from './issuer-keys.ts';
import { keys } from './keys.ts';
import { life } from './life.ts';
import { listeners } from './listeners.ts';
import { login } from './login.ts';
import { model } from './model.ts';
import { oauth } from './oauth.ts';
import { people } from './people.ts';
import { proofs } from './proofs.ts';
import { publishing } from './publishing.ts';
import { record } from './record.ts';
import { refusals } from './refusals.ts';
import { replicas } from './replicas.ts';
import { room } from './room.ts';
import { rotation } from './rotation.ts';
import { running } from './running.ts';
import { seal } from './seal.ts';
import { seeing } from './seeing.ts';
import { sessions } from './sessions.ts';
import { signin } from './signin.ts';
import { stsAnswers } from './sts-answers.ts';
import { deletion } from './tasks.ts';
import { templates } from './templates.ts';
import { tokens } from './tokens.ts';
import { wire } from './wire.ts';

export const DEFENCES: readonly Defence[] = [
  ...[
    ...tokens,
    ...oauth,
    ...callers,
    ...grants,
    ...answers,
    ...broker,
    ...sessions,
    ...room,
    ...stsAnswers,
    ...agent,
    ...agentRunning,
    ...exec,
    ...heldSessions,
    ...egress,
    ...federation,
    ...people,
    ...login,
    ...command,
    ...issuerKeys,
  ],
  ...[
    ...http,
    ...listeners,
    ...keys,
    ...rotation,
    ...inTime,
    ...canaries,
    ...proofs,
    ...record,
    ...refusals,
    ...model,
    ...publishing,
    ...incident,
    ...life,
    ...data,
    ...custody,
    ...database,
    ...deletion,
    ...templates,
    ...connections,
    ...doctor,
    ...documents,
    ...replicas,
    ...running,
    ...seal,
    ...seeing,
    ...signin,
    ...failures,
    ...fuzz,
    ...wire,
  ],
];
