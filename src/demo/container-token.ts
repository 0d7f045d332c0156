// The file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, kept fresh while the demo is up: SDKs read it at each refresh.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildClientProof } from '../cli/proof.ts';
import { requestToken } from '../cli/remote.ts';
import type { Played } from './steps.ts';
import type { Stage } from './stage.ts';

/** A token lives 15 minutes; SDKs refresh credentials from 15 minutes before they expire. */
const FRESH_MS = 5 * 60_000;

/** @returns the path of the file */
export async function keepTokenFile(stage: Stage, { house, workload, audience }: Played): Promise<string> {
  const file = join(stage.workloadsDir, `${workload.slug}.token`);
  const client = { clientId: workload.id, privateKeyFile: workload.privateKeyFile };

  async function refresh(): Promise<void> {
    const wanted = { resource: audience, scopes: [] };
    const proof = buildClientProof(client, house.discovered.issuer, Date.now());
    const { access_token: token } = await requestToken(proof, house.discovered, wanted);
    // Sent as it is in `Authorization`: no newline. Renamed, so that nobody reads half of it.
    writeFileSync(`${file}.next`, `Bearer ${token}`, { mode: 0o600 });
    renameSync(`${file}.next`, file);
  }

  await refresh();
  const timer = setInterval(
    () => void refresh().catch((error: Error) => stage.screen.note(`${file}: ${error.message}`, 'red')),
    FRESH_MS,
  );
  stage.onEnd(() => clearInterval(timer));
  return file;
}
