// `countersign exec`: runs a command with a session of a connection, and nothing in its environment that would win over it.
import type { Command } from 'commander';
import { bearerLine } from '../agent/bearer.ts';
import { isWaitedFor, Refusal } from '../agent/refusal.ts';
import type { AskService, Credentials, Wanted } from '../agent/sessions.ts';
import { startAgentFor } from './agent.ts';
import { segment } from './api.ts';
import type { Call } from './call.ts';
import { childEnvironment, containerOf, keysOf } from './child-environment.ts';
import { runChild } from './child.ts';
import { addVerb } from './command.ts';
import { Ended, EXIT, type Failure, toFailure } from './failure.ts';
import { askForCredentials, assertWorkload, createAskService, refusalOf, toFailureAgain } from './handed.ts';
import { integer } from './options.ts';
import type { Outside } from './outside.ts';
import { steadily } from './patience.ts';

interface ExecOptions {
  purpose?: string;
  durationSeconds?: number;
  region?: string;
  static?: true;
  reason?: string;
}

/** A command that runs for long meets an outage; its SDKs are answered all the same. */
const HOLD_SECONDS = 120;

async function runStatic(call: Call<ExecOptions>, wanted: Wanted, command: string[]): Promise<number> {
  const { outside } = call;
  const until = outside.now() + HOLD_SECONDS * 1000;
  const isAway = (failure: Failure): boolean => isOutage(refusalOf(call, failure));
  const credentials = await steadily(() => askForCredentials(call, wanted), outside, until, isAway);
  return await runChild(command, environmentOf(call, credentials, keysOf(credentials)));
}

function environmentOf(
  { options, outside }: Call<ExecOptions>,
  { Region }: Credentials,
  given: Record<string, string>,
) {
  return childEnvironment(outside.env, given, options.region ?? Region);
}

/** Whether it passes by itself: nobody is there, or not yet. What is wrong on this machine does not. */
function isOutage(refusal: Refusal): boolean {
  const { exit, status = 0 } = toFailure(refusal.cause);
  return isWaitedFor(refusal) && (refusal.options.status !== undefined || status >= 500 || exit === EXIT.unreachable);
}

/**
 * The session is got before the command starts: what is refused is said here, in full. An outage is waited for, and nothing
 * else; once the command runs, its agent goes on whatever it is.
 */
async function runWithAgent(call: Call<ExecOptions>, wanted: Wanted, command: string[]): Promise<number> {
  const refused = Promise.withResolvers<never>();
  const askService = createAskService(call);
  const ask: AskService = (asked) =>
    askService(asked).catch((error: Refusal) => {
      if (!isOutage(error)) refused.reject(error);
      throw error;
    });
  const where = { host: '127.0.0.1', port: 0 };
  const agent = await startAgentFor(call, { ...where, holdSeconds: HOLD_SECONDS, quiet: true, ask, only: wanted });
  try {
    const first = Promise.race([agent.sessions.obtain(wanted), refused.promise]);
    const credentials = await first.catch((error: unknown) => {
      throw error instanceof Refusal ? toFailureAgain(error) : error;
    });
    const query = new URLSearchParams();
    if (wanted.purpose !== undefined) query.set('purpose', wanted.purpose);
    if (wanted.durationSeconds !== undefined) query.set('duration_seconds', String(wanted.durationSeconds));
    const uri = `${agent.url}/v1/connections/${segment(wanted.connection)}/credentials`;
    const asked = query.size > 0 ? `${uri}?${query.toString()}` : uri;
    return await runChild(command, environmentOf(call, credentials, containerOf(asked, bearerLine(agent.bearer))));
  } finally {
    await agent.close();
  }
}

export function addExecCommand(program: Command, outside: Outside): void {
  addVerb<ExecOptions>(program, outside, {
    usage: 'exec <connection> <command...>',
    summary: 'Run a command with a session of a connection.',
    about:
      'Its SDKs fetch the session from an agent that lives as long as the command, so they refresh by themselves; --static gives\nplain keys instead, which end. Profiles, keys and roles in the environment are cleared, and so is who this command is.',
    examples: [
      'countersign exec prod-eu -- aws s3 ls',
      'countersign exec prod-eu --purpose report --region eu-central-1 -- node report.js',
      'countersign exec prod-eu --static -- terraform plan',
    ],
    options: (command) =>
      command
        .option('--purpose <purpose>', 'chooses the grant')
        .option('--duration-seconds <n>', 'length of the session, 900 to 43200', integer(900, 43_200))
        .option('--region <region>', "AWS_REGION of the command (default: the connection's)")
        .option('--static', 'plain keys, which end with the session')
        .option('--reason <text>', 'why, for the audit log'),
    run: async (call) => {
      const [connection = '', ...command] = call.args;
      assertWorkload(call);
      const { purpose, durationSeconds } = call.options;
      const wanted = { connection, purpose, durationSeconds };
      const code = await (call.options.static ? runStatic : runWithAgent)(call, wanted, command);
      if (code !== 0) throw new Ended(code);
      // What its agent asked the service for last is nobody's.
      outside.leave?.();
    },
  });
}
