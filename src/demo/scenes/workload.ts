// Scene: internal services are registered with keys of their own, and granted connections.
import { join } from 'node:path';
import { generateKeyFile, thumbprint } from '../../cli/jwk.ts';
import { expectEqual } from '../expect.ts';
import type { Tell } from '../runner.ts';
import type { Stage } from '../stage.ts';
import type { Connection } from './connect.ts';
import type { House } from './house.ts';

export interface Workload {
  id: string;
  slug: string;
  /** Its private key; the service has only the public half. */
  privateKeyFile: string;
}

export async function registerWorkload(stage: Stage, { api }: House, slug: string, tell: Tell): Promise<Workload> {
  const privateKeyFile = join(stage.workloadsDir, `${slug}.pem`);
  const jwk = await generateKeyFile(privateKeyFile, 'ES256');
  const registered = (await api.create('/v1/workloads', { slug, keys: [jwk] })) as {
    id: string;
    keys: { kid: string }[];
    scopes: string[];
  };
  expectEqual('the key that is registered', registered.keys[0]?.kid, thumbprint(jwk));
  expectEqual('the number of its scopes', registered.scopes.length, 0);
  tell(`workload ${registered.id}; its private key was made here and stays here`);
  return { id: registered.id, slug, privateKeyFile };
}

const MAX_SESSION_SECONDS = 1800;

/** @returns the ids of the grants */
export async function grant(
  { api }: House,
  workload: Workload,
  connections: readonly Connection[],
  tell: Tell,
): Promise<string[]> {
  const ids: string[] = [];
  for (const { id, name } of connections) {
    const made = (await api.create('/v1/grants', {
      workload: workload.id,
      selector: { connection: id },
      max_session_seconds: MAX_SESSION_SECONDS,
    })) as { id: string; workload: string; selector: { connection?: string } };
    expectEqual('whom it is for', made.workload, workload.id);
    expectEqual('what it selects', made.selector.connection, id);
    tell(`${workload.slug} may use ${name}, for ${MAX_SESSION_SECONDS / 60} minutes at a time`);
    ids.push(made.id);
  }
  return ids;
}
