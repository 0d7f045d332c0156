#!/usr/bin/env node
// The `countersign` command: the table of contents, and how a run ends.
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { addAdministratorCommands } from './administrator.ts';
import { addAgentCommand } from './agent.ts';
import { addAuditCommand } from './audit.ts';
import { addCompletionCommand } from './completion.ts';
import { addConfigCommands } from './config.ts';
import { addConnectionCommands } from './connection.ts';
import { addCredentialsCommand, isEvaluated } from './credentials.ts';
import { Ended, EXIT, EXIT_CODES, type Failure, toFailure, usage } from './failure.ts';
import { addDoctorCommand } from './doctor/command.ts';
import { addExecCommand } from './exec.ts';
import { addGrantCommands } from './grant.ts';
import { addIncidentCommands } from './incident/command.ts';
import { addKekCommands } from './kek.ts';
import { addKeyCommands } from './key.ts';
import { addKubernetesCommand } from './kubernetes.ts';
import { addLoginCommands } from './login/command.ts';
import { type Outside, processOutside, type Sink } from './outside.ts';
import { hintAtProxy } from './proxies.ts';
import { addPublishCommands } from './publish/commands.ts';
import { addSandboxCommand } from './sandbox.ts';
import { addSealCommands } from './seal.ts';
import { addServiceCommands } from './service.ts';
import { addSigninCommand } from './signin.ts';
import { clean, json, paintFor } from './text.ts';
import { addTokenCommand } from './token.ts';
import { addWhoamiCommand } from './whoami.ts';
import { addTrustedIssuerCommands } from './trusted-issuer.ts';
import { addWorkloadCommands } from './workload.ts';

const ENVIRONMENT = `
Who asks:
  COUNTERSIGN_URL               internal URL of the service
  COUNTERSIGN_CLIENT_ID         wl_… or ad_…
  COUNTERSIGN_PRIVATE_KEY_FILE  its private key: PEM (PKCS #8) or JWK
  COUNTERSIGN_IDENTITY_TOKEN_FILE  or its platform's token, in a file (or COUNTERSIGN_IDENTITY_TOKEN)
  COUNTERSIGN_TOKEN             a token that you have already, instead of those above
  People sign in instead (countersign login), and are who they are bound to:
  COUNTERSIGN_AS                the administrator or workload that is meant, by id or name
  With none of them, the socket of the service on this host (SOCKET_PATH, or found from DATA_DIR).`;

const USAGE_HINT = 'The same with --help says what there is.';

/** @param said where Commander says, in its own words, what is wrong with a command line */
export function createProgram(outside: Outside, said: Sink = outside.stderr): Command {
  const program = new Command('countersign')
    .description(
      "OIDC identity provider and credential broker: session credentials in other people's cloud accounts, and no key stored anywhere.",
    )
    .version(packageJson.version)
    .exitOverride()
    .showHelpAfterError(`hint: ${USAGE_HINT}`)
    .configureOutput({
      writeOut: (text) => outside.stdout.write(text),
      writeErr: (text) => said.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', ENVIRONMENT)
    .addHelpText('afterAll', `\n${EXIT_CODES}`);

  program.commandsGroup('The service:');
  addServiceCommands(program, outside);
  addConfigCommands(program, outside);
  addSandboxCommand(program, outside);

  program.commandsGroup('Who you are:');
  addLoginCommands(program, outside);
  addWhoamiCommand(program, outside);
  addTokenCommand(program, outside);

  program.commandsGroup('Access:');
  addConnectionCommands(program, outside);
  addWorkloadCommands(program, outside);
  addTrustedIssuerCommands(program, outside);
  addGrantCommands(program, outside);
  addCredentialsCommand(program, outside);
  addSigninCommand(program, outside);
  addAgentCommand(program, outside);
  addExecCommand(program, outside);
  addKubernetesCommand(program, outside);

  program.commandsGroup('Watching over it:');
  addAdministratorCommands(program, outside);
  addKeyCommands(program, outside);
  addKekCommands(program, outside);
  addIncidentCommands(program, outside);
  addPublishCommands(program, outside);
  addAuditCommand(program, outside);
  addSealCommands(program, outside);
  addDoctorCommand(program, outside);

  program.commandsGroup('Your shell:');
  addCompletionCommand(program, outside);
  return program;
}

/** Runs one command. @param argv without the interpreter and the script. @returns its exit code. */
export async function run(argv: readonly string[], outside: Outside): Promise<number> {
  const asJson = argv.includes('--json');
  try {
    await createProgram(outside, asJson ? NOWHERE : outside.stderr).parseAsync(argv, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof Ended) return error.exit;
    const misused = error instanceof CommanderError;
    if (misused && error.exitCode === 0) return EXIT.ok;
    if (isEvaluated(argv)) outside.stdout.write('false\n');
    if (misused && !asJson) return EXIT.usage;
    const failure = misused ? toUsage(error) : toFailure(error);
    const hint = [failure.hint, hintAtProxy(failure, outside.env)].filter(Boolean).join(' ') || undefined;
    outside.stderr.write(asJson ? `${json(errorDocument(failure, hint))}\n` : errorText(failure, hint, outside));
    if (argv.includes('--verbose')) outside.stderr.write(`${stackOf(failure)}\n`);
    return failure.exit;
  }
}

const NOWHERE: Sink = { write: () => {} };

/** What Commander would have said of a command line; where that is its help, for a command that is none. */
function toUsage({ code, message }: CommanderError): Failure {
  if (code === 'commander.help') return usage('There is no such command.', USAGE_HINT);
  return usage(message.replace(/^error: /, '').replaceAll('\n', ' '), USAGE_HINT);
}

type Hint = Failure['hint'];

function errorDocument(failure: Failure, hint: Hint): object {
  const { code, message, problems, status, requestId, stsRequestId } = failure;
  return {
    error: { code, detail: message, problems, hint, status, request_id: requestId, sts_request_id: stsRequestId },
  };
}

function errorText(failure: Failure, hint: Hint, outside: Outside): string {
  const { code, message, problems, requestId, stsRequestId } = failure;
  const paint = paintFor(outside.stderr, outside.env);
  const lines = [`${paint('red', 'error')}: ${clean(message)} [${clean(code)}]`];
  for (const problem of problems ?? []) lines.push(`  ${clean(problem)}`);
  if (hint !== undefined) lines.push(`hint: ${clean(hint)}`);
  if (requestId !== undefined) lines.push(`request: ${clean(requestId)}`);
  if (stsRequestId !== undefined) lines.push(`request at AWS: ${clean(stsRequestId)}`);
  return `${lines.join('\n')}\n`;
}

function stackOf(failure: Failure): string {
  const inner = failure.cause instanceof Error ? failure.cause : failure;
  return inner.stack ?? inner.message;
}

/** Until a reader has what was written: an end would take away what waits in this process. Whoever went away waits for nothing. */
async function drain(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength > 0) await new Promise<void>((resolve) => stream.write('', () => resolve()));
}

/** The process itself. */
export async function main(): Promise<void> {
  const code = await run(process.argv.slice(2), processOutside());
  // A service that could not start may have left something open; one that did is still to run.
  if (code === EXIT.ok) return;
  await Promise.all([drain(process.stdout), drain(process.stderr)]);
  process.exit(code);
}

if (import.meta.main) await main();
