// What a running command is given: its arguments, the API, and ways to show what it got.
import { type Access, obtainAccess } from './access.ts';
import { type Api, createApi } from './api.ts';
import { usage } from './failure.ts';
import type { Outside } from './outside.ts';
import { type Identity, sourceOf } from './source.ts';
import { json, type Paint, paintFor } from './text.ts';

export interface CommonOptions extends Identity {
  json?: true;
  verbose?: true;
}

export interface Call<O> {
  /** Positional arguments, variadic ones in line. */
  args: string[];
  options: O & CommonOptions;
  outside: Outside;
  /**
   * The API, with a token of every scope that this client holds: nobody assigns or edits beyond those. It ends with that
   * token; what may take longer asks through `renewedApi`.
   * @param reason kept with each act, where it is more than --reason
   */
  api(reason?: string): Promise<Api>;
  /** The API with a token that was got otherwise. */
  apiWith(access: Access, reason?: string): Api;
  /** JSON with --json, else text for people. */
  show(value: unknown, text: (paint: Paint) => string): void;
  /** Progress and asides, on stderr; nothing with --json. */
  note(text: string): void;
}

export function createCall<O>(args: string[], given: O & CommonOptions, outside: Outside, changes: boolean): Call<O> {
  const options = { ...given, reason: readReason(given.reason) };
  const write = (line: string): unknown => outside.stderr.write(`${line}\n`);
  const apiWith = (access: Access, reason = options.reason): Api =>
    createApi(access, { reason, sleep: outside.sleep, ...(options.verbose ? { trace: write } : {}) });
  return {
    args,
    options,
    outside,
    apiWith,
    api: async (reason = options.reason) => {
      if (changes) requireReason(outside, options);
      return apiWith(await obtainAccess(outside, { ...options, reason }, { for: 'api', scopes: [] }), reason);
    },
    show: (value, text) =>
      outside.stdout.write(options.json ? `${json(value)}\n` : text(paintFor(outside.stdout, outside.env))),
    note: (text) => {
      if (!options.json) write(text);
    },
  };
}

/** What a shell added around it taken off. The service would refuse the rest as well, but after a token was spent on it. */
function readReason(given: string | undefined): string | undefined {
  const reason = given?.trim();
  if (reason === undefined) return undefined;
  if (reason === '' || [...reason].length > 500) throw usage('--reason must be 1 to 500 characters long.');
  if (!reason.isWellFormed() || /[\u0000-\u001f\u007f]/.test(reason)) throw usage('--reason must be one line of text.');
  return reason;
}

/** The same for one that is missing. */
function requireReason(outside: Outside, options: CommonOptions): void {
  const source = sourceOf(outside.env, options);
  const client = source.kind === 'client' ? source.client.clientId : source.kind === 'person' ? source.as : undefined;
  if (options.reason === undefined && client?.startsWith('ad_')) {
    throw usage('An administrator says why: --reason is missing.', 'Add --reason "…"; it is kept in the audit log.');
  }
}
