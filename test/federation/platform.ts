// A platform as the pages of docs/workload-identity/ meet it: its issuer, where its tokens are asked for, and its commands on a PATH.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { startStandIn, type StandIn, type StandInAlgorithm } from '../support/stand-in-issuer.ts';
import { tempDir } from '../support/service.ts';

export interface Platform {
  issuer: StandIn;
  /** Answers `GET /token?audience=…` and STS's GetWebIdentityToken; what else AWS is asked goes to the sandbox. */
  url: string;
  home: string;
  /** A token as this platform makes them, for this audience. */
  tokenFor(audience: string): Promise<string>;
  /** bash, as a platform's shell: its commands, this environment and nothing else. */
  run(script: string, env?: Record<string, string>): Promise<string>;
}

export interface PlatformOptions {
  algorithm: StandInAlgorithm;
  /** Beside iss and times; `aud` is replaced, by a list of one where it is one. */
  claims(): Record<string, unknown>;
}

const COMMANDS = ['aws', 'spire-agent', 'curl', 'jq', 'kubectl'];

async function readBody(incoming: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of incoming.setEncoding('utf8')) body += chunk;
  return body;
}

/** The Host stays: it is signed. */
function passOn(sandbox: Sandbox, incoming: IncomingMessage, body: string, response: ServerResponse): void {
  const asked = request(`${sandbox.url}${incoming.url}`, { method: 'POST', headers: incoming.headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  asked.end(body);
}

export async function startPlatform(
  t: Test,
  sandbox: Sandbox,
  { algorithm, claims }: PlatformOptions,
): Promise<Platform> {
  const issuer = await startStandIn(t, algorithm);
  const tokenFor = async (audience: string): Promise<string> => {
    const { aud, iss: _, ...own } = claims();
    return await issuer.sign({ ...own, aud: Array.isArray(aud) ? [audience] : audience });
  };
  const server = createServer(async (incoming, response) => {
    const { pathname, searchParams } = new URL(incoming.url as string, 'http://platform');
    if (pathname === '/token')
      return void response.end(JSON.stringify({ value: await tokenFor(searchParams.get('audience') as string) }));
    const body = await readBody(incoming);
    const form = new URLSearchParams(body);
    if (form.get('Action') !== 'GetWebIdentityToken') return passOn(sandbox, incoming, body, response);
    const token = await tokenFor(form.get('Audience.member.1') as string);
    response.setHeader('content-type', 'text/xml').end(
      `<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>
        <WebIdentityToken>${token}</WebIdentityToken></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>`,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const home = tempDir(t);
  const bin = join(home, 'bin');
  mkdirSync(bin);
  for (const name of COMMANDS) {
    const own = `exec '${process.execPath}' '${join(import.meta.dirname, 'platform-commands.ts')}' ${name} "$@"`;
    writeFileSync(join(bin, name), `#!/bin/sh\n${own}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return {
    ...{ issuer, url, home, tokenFor },
    run: async (script, env = {}) => {
      const child = spawn('/bin/bash', ['-euo', 'pipefail', '-c', script], {
        env: { PATH: `${bin}:/usr/bin:/bin`, HOME: home, AWS_REGION: 'eu-central-1', STAND_IN_PLATFORM: url, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let [stdout, stderr] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      const [status] = (await once(child, 'close')) as [number | null];
      if (status !== 0) throw new Error(`it ended with ${status}:\n${script}\n${stdout}${stderr}`);
      return stdout;
    },
  };
}
