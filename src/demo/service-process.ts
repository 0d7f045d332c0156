// The service as a process of its own: `node src/main.ts` on the embedded database, on a port that is free, until stopped.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { send } from '../cli/http.ts';
import { serviceEnvironment } from './environment.ts';

const SRC = join(import.meta.dirname, '..');
const READY_MS = 60_000;
const STOP_MS = 10_000;
/** Somebody may take a port between our look and the service's bind. */
const PORTS_TRIED = 4;

export interface ServiceFolders {
  dataDir: string;
  keysDir: string;
  socketPath: string;
  logFile: string;
}

export interface ServiceProcess {
  url: string;
  pid: number;
  /** Resolves when the process has ended; with its code, or the signal's name. */
  ended: Promise<string>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The last lines that the service logged, where it fails. */
function lastLines(logFile: string, count = 8): string {
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
}

function launch(url: string, folders: ServiceFolders, stsUrl: string): ChildProcess {
  const log = openSync(folders.logFile, 'w', 0o600);
  try {
    // A group of its own: Ctrl-C is for the demo, which then stops the service in order.
    return spawn(process.execPath, ['--import', join(SRC, 'demo/end-with-parent.ts'), join(SRC, 'main.ts')], {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      env: serviceEnvironment(process.env, {
        ISSUER_URL: url,
        STS_ENDPOINT_URL: stsUrl,
        DATA_DIR: folders.dataDir,
        KEYS_DIR: folders.keysDir,
        SOCKET_PATH: folders.socketPath,
      }),
    });
  } finally {
    closeSync(log);
  }
}

/** It listens, on its socket too, and has said so: from then on it stops in order when it is told to. */
async function isReady(url: string, logFile: string): Promise<boolean> {
  if (!readFileSync(logFile, 'utf8').includes('"msg":"ready"')) return false;
  const asked = send({ method: 'GET', url: `${url}/readyz?capability=tokens`, deadline: 2000 });
  // One that is late is asked again.
  return await asked.then(
    ({ status }) => status === 200,
    () => false,
  );
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<string> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  return await ended.finally(() => clearTimeout(timer));
}

/**
 * @param onEnd takes what stops it, at once: somebody may end the demo while the service starts
 * @throws Error with what the service logged, where it ends instead of getting ready
 */
export async function startServiceProcess(
  folders: ServiceFolders,
  stsUrl: string,
  onEnd: (end: () => Promise<void>) => void,
): Promise<ServiceProcess> {
  for (let tried = 1; ; tried += 1) {
    const url = `http://127.0.0.1:${await freePort()}`;
    const child = launch(url, folders, stsUrl);
    const ended = once(child, 'exit').then(([code, signal]) => String(code ?? signal));
    let [ready, how]: [boolean, string | undefined] = [false, undefined];
    void ended.then((text) => (how = text));
    onEnd(async () => {
      const text = await stop(child, ended);
      if (ready && text !== '0') throw new Error(`The service did not stop in order (${text}).`);
    });
    const deadline = performance.now() + READY_MS;
    while (how === undefined && performance.now() < deadline) {
      ready = await isReady(url, folders.logFile);
      if (ready) return { url, pid: child.pid ?? 0, ended };
      await Promise.race([ended, delay(50)]);
    }
    const said = lastLines(folders.logFile);
    if (how === undefined)
      throw new Error(`The service was not ready within ${READY_MS / 1000} s. It logged:\n${said}`);
    if (!/EADDRINUSE/.test(said) || tried === PORTS_TRIED) {
      throw new Error(`The service ended (${how}). It logged:\n${said}`);
    }
  }
}
