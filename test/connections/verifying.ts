// The polling worker over a fresh database and a cloud that answers as a test says, on a stepped clock.
import type { Test } from 'tap';
import { createVerifier, type Verifier, type VerifierDeps } from '../../src/connections/verifier.ts';
import { readClock } from '../../src/keys/store.ts';
import { type Api, openApi } from './api.ts';
import { createFakeCloud, type FakeCloud } from './fake-cloud.ts';

export interface World {
  api: Api;
  cloud: FakeCloud;
  verifier: Verifier;
  errors: object[];
  /** A connection that waits to be verified. */
  waiting(more?: object): Promise<any>;
  show(id: string): Promise<any>;
  /** From now on it is so many seconds after the start. */
  step(seconds: number): void;
  /** One run of the worker then. */
  at(seconds: number): Promise<number>;
  moment(seconds: number): Date;
}

export async function openWorld(t: Test, more: Partial<VerifierDeps> = {}): Promise<World> {
  const api = await openApi(t);
  const cloud = createFakeCloud();
  const errors: object[] = [];
  const log = { error: (details: object) => void errors.push(details) };
  let stepped: number | undefined;
  const clock = { monotonic: () => stepped ?? 0, wall: Date.now };
  const verifier = createVerifier({
    ...cloud,
    db: api.database.db,
    act: api.act,
    clock,
    readClock: async (db) => stepped ?? (await readClock(db)),
    log,
    mintWebIdentityToken: (input) => cloud.mintWebIdentityToken(input),
    ...more,
  });
  const start = await readClock(api.database.db);
  const moment = (seconds: number): Date => new Date(start + seconds * 1000);
  const step = (seconds: number): void => void (stepped = moment(seconds).getTime());
  return {
    ...{ api, cloud, verifier, errors, moment, step },
    waiting: async (extra = {}) => {
      const { id } = await api.create(extra);
      await api.call('POST', `/v1/connections/${id}/verify`);
      await api.database.db
        .updateTable('verifications')
        .set({ started_at: moment(0), next_at: moment(0) })
        .where('connection', '=', id)
        .execute();
      return (await api.call('GET', `/v1/connections/${id}`)).body;
    },
    show: async (id) => (await api.call('GET', `/v1/connections/${id}`)).body,
    at: (seconds) => {
      step(seconds);
      return verifier.runOnce();
    },
  };
}
