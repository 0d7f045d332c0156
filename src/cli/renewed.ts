// An API for work that outlives a token: got anew in time, once more where the key that signed it is revoked meanwhile.
import type { Api } from './api.ts';
import type { Call } from './call.ts';
import { Failure } from './failure.ts';

/** Tokens live for 15 minutes; one is not used for the last five. */
const USED_FOR_MS = 600_000;
/** A client's own rate lets it go on within seconds. */
const [BUSY_TRIES, BUSY_MS] = [30, 1000];

const isRefused = (error: unknown): boolean => error instanceof Failure && error.status === 401;
const isBusy = (error: unknown): boolean => error instanceof Failure && error.status === 429;

/** @param reason kept with each act, where it is more than --reason. @throws Failure where there is no token now */
export async function renewedApi(
  { api, outside }: Pick<Call<unknown>, 'api' | 'outside'>,
  reason?: string,
): Promise<Api> {
  const obtain = async (): Promise<{ api: Api; at: number }> => ({ api: await api(reason), at: outside.now() });
  let current = await obtain();

  /** Who was told 401 or 429 was not served: the same again does it once. */
  async function ask<T>(request: (api: Api) => Promise<T>): Promise<T> {
    // How old it is cannot be told by a clock that was set back either.
    if (Math.abs(outside.now() - current.at) > USED_FOR_MS) current = await obtain();
    let renewed = false;
    for (let busy = 0; ; ) {
      try {
        return await request(current.api);
      } catch (error) {
        if (isBusy(error) && busy < BUSY_TRIES) {
          busy += 1;
          await outside.sleep(BUSY_MS);
        } else if (isRefused(error) && !renewed) {
          renewed = true;
          current = await obtain();
        } else throw error;
      }
    }
  }
  return {
    get: (...given) => ask((api) => api.get(...given)),
    getText: (...given) => ask((api) => api.getText(...given)),
    create: (...given) => ask((api) => api.create(...given)),
    send: (...given) => ask((api) => api.send(...given)),
  };
}
