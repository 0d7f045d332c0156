// A service with publishing turned on, and a publisher run as the command runs it.
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import type { Outside } from '../../src/cli/outside.ts';
import { cli } from '../cli/stand-in.ts';
import { startTestService, type TestService, type TestServiceOptions } from '../support/service.ts';

export interface PublishingWorld {
  service: TestService;
  /** `countersign <argv> --json`, by the host's socket. */
  run(argv: string[], over?: Partial<Outside>): Promise<Awaited<ReturnType<typeof cli>>>;
  /** Turns publishing on; @returns the target's id. */
  turnOn(target: string): Promise<string>;
  connect(name: string): Promise<{ id: string; issuer: string }>;
  /** As the service itself serves it. */
  served(path: string): Promise<string>;
}

export async function openPublishingWorld(
  t: Test,
  env: Record<string, string> = {},
  options: TestServiceOptions = {},
): Promise<PublishingWorld> {
  const service = await startTestService(t, options);
  return {
    service,
    run: (argv, over) =>
      cli(
        [...argv, '--json'],
        { SOCKET_PATH: service.config.socketPath, DATA_DIR: service.config.dataDir, ...env },
        over,
      ),
    turnOn: async (target) => {
      const { status, body } = await service.call('POST', '/v1/publishing/targets', { target });
      if (status !== 201) throw new Error(JSON.stringify(body));
      return body.id as string;
    },
    connect: async (name) => {
      const aws = { account_id: '111122223333', permission_set: 'read-only' };
      const { status, body } = await service.call('POST', '/v1/connections', { name, aws });
      if (status !== 201) throw new Error(JSON.stringify(body));
      return { id: body.id, issuer: body.issuer.id };
    },
    served: async (path) => {
      const ask = (): Promise<Response> => fetch(`${service.url}/${path}`);
      let response = await ask();
      // On a busy machine its view of the keys may be too old for a moment.
      for (const deadline = Date.now() + 60_000; response.status === 503 && Date.now() < deadline; ) {
        await delay(100);
        response = await ask();
      }
      if (response.status !== 200) throw new Error(`${path} was answered ${response.status}`);
      return await response.text();
    },
  };
}

export const DISCOVERY = '.well-known/openid-configuration';
/** Both documents of both: the platform's and a connection's. */
export const pathsOf = (issuer: string): string[] => [
  'jwks',
  DISCOVERY,
  `c/${issuer}/jwks`,
  `c/${issuer}/${DISCOVERY}`,
];
