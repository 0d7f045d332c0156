// The service as the image runs it (emitted JavaScript) on a database of the bench, with the key policy of production.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findLastingPort } from '../test/support/ports.ts';
import { type Started, startProcess } from './processes.ts';

/** Otherwise a loopback issuer's rings would rotate every three minutes, all hundred thousand of them. */
const PRODUCTION_POLICY = {
  KEY_POLICY_VERIFIER_CACHE_SECONDS: '86400',
  KEY_POLICY_OLDEST_SERVED_SECONDS: '259200',
  KEY_POLICY_OLDEST_SIGNED_SECONDS: '60',
  KEY_POLICY_CLOCK_ERROR_SECONDS: '2',
  KEY_POLICY_PERIOD_SECONDS: '2592000',
};

export interface Home {
  dir: string;
  kekFile: string;
  /** What clients put into an assertion's `aud`; where the service will listen. */
  issuerUrl: string;
  remove(): void;
}

/** A folder, a key-encryption key and a URL for a service that is yet to start. */
export async function createHome(): Promise<Home> {
  const dir = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const kekFile = join(dir, 'kek');
  writeFileSync(kekFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const issuerUrl = `http://127.0.0.1:${await findLastingPort()}`;
  return { dir, kekFile, issuerUrl, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

let emitted = false;

/** Of the sources as they are now, once for each run. */
function emitOnce(): void {
  if (!emitted) execFileSync('npm', ['run', '--silent', 'emit'], { stdio: ['ignore', 'ignore', 'inherit'] });
  emitted = true;
}

export async function startService(
  home: Home,
  databaseUrl: string,
  env: Record<string, string> = {},
): Promise<Started> {
  emitOnce();
  const started = await startProcess(
    'dist/main.js',
    {
      ...{
        ISSUER_URL: home.issuerUrl,
        DATABASE_URL: databaseUrl,
        DATA_DIR: home.dir,
        SOCKET_PATH: join(home.dir, 'run/s.sock'),
      },
      ...{ KEY_ENCRYPTION_KEY_FILE: home.kekFile, ...PRODUCTION_POLICY, ...env },
    },
    (line) => line.includes('"msg":"ready"'),
  );
  return { ...started, url: home.issuerUrl };
}
