// `countersign agent`: the container credentials endpoint on this machine, for SDKs that are left as they are.
import { readFileSync, rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { bearerLine } from '../agent/bearer.ts';
import type { Agent } from '../agent/agent.ts';
import type { AskService, Wanted } from '../agent/sessions.ts';
import { segment } from './api.ts';
import type { Call } from './call.ts';
import { addVerb } from './command.ts';
import { Failure, usage } from './failure.ts';
import { assertWorkload, createAskService } from './handed.ts';
import { integer } from './options.ts';
import type { Outside } from './outside.ts';
import { makeFolderOf, privateFolder, writePrivate } from './private-file.ts';
import { endOf } from './shown-token.ts';
import { sourceOf } from './source.ts';
import { watchWhoAsks } from './who-asks.ts';

interface Listen {
  host: string;
  port: number;
}

interface Starting extends Listen {
  holdSeconds: number;
  /** Says what is wrong, and nothing else. */
  quiet?: boolean;
  ask?: AskService;
  /** Where set, callers get nothing else. */
  only?: Wanted;
}

interface AgentOptions {
  listen: Listen;
  tokenFile?: string;
  tokenFileMode: '0600' | '0640';
  holdSeconds: number;
  allowNonLoopback?: true;
}

export const AGENT_PORT = 9911;

function listenAt(text: string): Listen {
  const parts = /^(?:\[([0-9a-f:]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text);
  const host = parts?.[1] ?? parts?.[2] ?? '';
  const port = Number(parts?.[3]);
  if (!parts || port > 65_535 || (host !== 'localhost' && isIP(host) === 0))
    throw new InvalidArgumentError('It must be address:port, such as 127.0.0.1:9911 or [::1]:9911.');
  return { host, port };
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.');

/** 0.0.0.0 and `::`, however they are written. */
const isEvery = (host: string): boolean => /^[0.:]+$/.test(host);

/** An agent of this command's identity. @throws Failure where it cannot listen */
export async function startAgentFor(
  call: Call<unknown>,
  { host, port, holdSeconds, quiet = false, ask = createAskService(call), only }: Starting,
): Promise<Agent> {
  // Late: other commands do without a server.
  const [{ startAgent }, { systemClock }, { pino }] = await Promise.all([
    import('../agent/agent.ts'),
    import('../clock.ts'),
    import('pino'),
  ]);
  const level = call.options.verbose ? 'debug' : quiet ? 'warn' : 'info';
  const log = pino({ level, base: null }, { write: (line) => void call.outside.stderr.write(line) });
  const source = sourceOf(call.outside.env, call.options);
  if (source.kind === 'token' && !quiet)
    log.warn({ ends: endOf(source.token) }, 'COUNTERSIGN_TOKEN is not renewed: no session is obtained after its end');
  try {
    return await startAgent({
      ...{ host, port, log, clock: systemClock, random: Math.random, holdMs: holdSeconds * 1000 },
      ask,
      only,
      who: watchWhoAsks(call),
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE' && code !== 'EADDRNOTAVAIL' && code !== 'EACCES') throw error;
    throw new Failure('cannot_listen', `The agent cannot listen on ${host}:${port} (${code}).`, {
      hint: 'Is another agent running? Give another --listen, port 0 for a free one.',
    });
  }
}

/** Only ours: a later agent may have written its own. */
function removeTokenFile(file: string, line: string): void {
  try {
    if (readFileSync(file, 'utf8') === line) rmSync(file);
  } catch {
    // It is gone already.
  }
}

function defaultTokenFile({ env }: Outside, port: number): string {
  const folder = privateFolder(env, 'runtime');
  if (folder === undefined)
    throw usage('There is no folder of this user for the bearer.', 'Give --token-file, or set HOME.');
  return join(folder, `agent-${port}.token`);
}

async function serve(call: Call<AgentOptions>): Promise<void> {
  const { args, options, outside, show } = call;
  const { listen, holdSeconds, tokenFileMode } = options;
  if (!isLoopback(listen.host) && !options.allowNonLoopback)
    throw usage(
      `${listen.host} is not this machine alone: the bearer and the sessions would travel in the clear.`,
      'Listen on 127.0.0.1. SDKs take http from loopback alone. If you must: --allow-non-loopback.',
    );
  if (isEvery(listen.host))
    throw usage(`${listen.host} is every address, and no caller's Host.`, 'Give the one address that callers use.');
  assertWorkload(call);
  const stopped = outside.stopped();
  const agent = await startAgentFor(call, { ...listen, holdSeconds });
  const line = bearerLine(agent.bearer);
  let file = options.tokenFile;
  try {
    file ??= defaultTokenFile(outside, agent.port);
    makeFolderOf(file, tokenFileMode === '0640' && options.tokenFile !== undefined ? 0o750 : 0o700);
    writePrivate(file, line, Number.parseInt(tokenFileMode, 8));
    const environment = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agent.url}/v1/connections/${args[0] === undefined ? '<connection>' : segment(args[0])}/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
    };
    show({ url: agent.url, token_file: file, environment }, () =>
      Object.entries(environment)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    );
    await stopped;
  } finally {
    if (file !== undefined) removeTokenFile(file, line);
    await agent.close();
  }
  // What it asked the service for last is nobody's.
  outside.leave?.();
}

export function addAgentCommand(program: Command, outside: Outside): void {
  addVerb<AgentOptions>(program, outside, {
    usage: 'agent [connection]',
    summary: 'Serve the container credentials endpoint on this machine, for AWS SDKs as they are.',
    about:
      'Prints the two variables to set, for the connection named or for any that is granted; ?purpose= and ?duration_seconds= may follow.\nIt keeps sessions, refreshes those in use at half of their life, and goes on answering while the service is away.',
    examples: [
      'countersign agent prod-eu',
      'countersign agent --listen 127.0.0.1:9911 --token-file /run/countersign/token',
    ],
    options: (command) =>
      command
        .addOption(
          new Option('--listen <address:port>', 'where it listens; port 0 for a free one')
            .argParser(listenAt)
            .default({ host: '127.0.0.1', port: AGENT_PORT }, `127.0.0.1:${AGENT_PORT}`),
        )
        .option(
          '--token-file <file>',
          'where the bearer is written, which callers show (default: agent-<port>.token under $XDG_RUNTIME_DIR/countersign or ~/.cache/countersign)',
        )
        .addOption(
          new Option('--token-file-mode <mode>', 'who reads it: its owner, or its group as well')
            .choices(['0600', '0640'])
            .default('0600'),
        )
        .option(
          '--hold-seconds <n>',
          'how long who has no session yet is held while the service is away',
          integer(1, 600),
          120,
        )
        .option('--allow-non-loopback', 'listen beyond this machine, in the clear'),
    run: serve,
  });
}
