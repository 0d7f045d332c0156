// One pass: what changed since the last, in the safe order, each document over what is known to stand there.
import type { Api } from '../api.ts';
import { Failure } from '../failure.ts';
import { type Report, sendReports } from './reports.ts';
import { Changed, type Target } from './target.ts';

// The order, and why. Revoked keys go first, before each page of the rest: forgeries pass for as long as a copy holds them.
// Within an issuer, its JWKS comes before its discovery document, so that whoever finds the second finds the first; a JWKS
// is one file, so that keys come and go in it at once, and nothing relies on a key before it is reported as placed. No
// document is ever taken away: a disconnected connection's keys sign nothing, and the service goes on serving them, too.
//
// And why an old document never replaces a newer one, whoever was asleep meanwhile: what is written was read from the
// database after the tag that it replaces was seen, and the store replaces that very content or nothing (a bucket by
// If-Match, a directory under its lock). So whatever stood there when the tag was seen was read earlier, and nothing was
// put there since. A key set never returns to what it was: kids enter it once and leave it once.

interface Document {
  document: 'jwks' | 'discovery';
  path: string;
  version: string;
  body?: string;
  kids?: string[];
  placed?: { version: string; tag: string };
}

interface Item {
  issuer: string;
  documents: Document[];
}

interface Page {
  max_age: number;
  since?: string;
  total?: number;
  items: Item[];
  next_cursor?: string;
}

export interface PassDeps {
  api: Api;
  target: Target;
  /** `tg_…` */
  id: string;
  epoch: number;
  /** Told how far it is: issuers looked at, of how many, and documents written. */
  progress(looked: number, total: number, written: number): void;
  /** Whether somebody wants it to end: it does before the next document, with what it has put in place reported. */
  stopping?(): boolean;
}

export interface PassResult {
  issuers: number;
  written: number;
  verified: boolean;
}

/** How often a document is tried over what somebody else goes on changing. */
const ROUNDS = 3;
const PLATFORM = 'platform';

/** @throws the first error, once all that was begun has ended */
async function eachOf<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const failed: unknown[] = [];
  const worker = async (): Promise<void> => {
    while (next < items.length && failed.length === 0) {
      const item = items[next++] as T;
      await work(item).catch((error: unknown) => void failed.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  if (failed.length > 0) throw failed[0];
}

/**
 * @param since where the pass before this one said; undefined for everything
 * @param whole looks at every document in place, too
 * @throws Failure; what was put in place until then is reported, and is not written again
 */
export async function runPass(deps: PassDeps, since: string | undefined, whole: boolean): Promise<PassResult> {
  const { api, target, id, epoch } = deps;
  const documents = `/v1/publishing/targets/${id}/documents`;
  const read = async (query: Record<string, string | boolean | number | undefined>): Promise<Page> =>
    (await api.get(documents, query)) as Page;
  let [looked, total, written] = [0, 0, 0];
  const all = whole ? undefined : since;

  const put = async (issuer: string, one: Document, maxAge: number, over: string | undefined, anew: boolean) => {
    const tag = await target.put(one.path, one.body as string, maxAge, over);
    written += 1;
    const { document, version, kids } = one;
    return { issuer, document, version, tag, ...(kids ? { kids } : {}), ...(anew ? { anew: true as const } : {}) };
  };

  /** Something else stands there than the record says: it is looked at first, and what is to stand there read after that. */
  async function putAnew({ issuer, documents: known }: Item, reports: Report[]): Promise<void> {
    for (let round = 1; ; round += 1) {
      const tags = new Map<string, string | undefined>();
      for (const { document, path } of known) tags.set(document, await target.look(path));
      const fresh = await read({ issuer });
      try {
        for (const one of fresh.items.flatMap((item) => item.documents)) {
          const tag = tags.get(one.document);
          if (one.placed?.tag === tag && one.placed?.version === one.version) continue;
          reports.push(await put(issuer, one, fresh.max_age, tag, true));
        }
        return;
      } catch (error) {
        if (!(error instanceof Changed)) throw error;
        if (round === ROUNDS)
          throw new Failure('target_contended', `Somebody else goes on changing the documents of ${issuer}.`, {
            hint: 'Find who writes there beside this publisher, and end that.',
            cause: error,
          });
      }
    }
  }

  async function place(item: Item, maxAge: number, reports: Report[]): Promise<void> {
    if (deps.stopping?.()) throw new Failure('publishing_stopped', 'Publishing was ended before all was in place.');
    try {
      for (const one of item.documents) {
        if (one.placed?.version !== one.version)
          reports.push(await put(item.issuer, one, maxAge, one.placed?.tag, false));
        else if (whole && (await target.look(one.path)) !== one.placed.tag)
          throw new Changed('it is not as it was left');
      }
    } catch (error) {
      if (!(error instanceof Changed)) throw error;
      await putAnew(item, reports);
    }
  }

  /** Puts a page in place. What was placed is reported, whatever became of the rest. */
  async function placePage(page: Page): Promise<void> {
    const reports: Report[] = [];
    try {
      await eachOf(page.items, target.width, (item) => place(item, page.max_age, reports));
    } finally {
      await sendReports(api, id, epoch, reports);
    }
  }

  async function placeRevoked(): Promise<void> {
    let cursor: string | undefined;
    do {
      const page = await read({ revoked: true, cursor });
      await placePage(page);
      cursor = page.next_cursor;
    } while (cursor !== undefined);
  }

  let next: string | undefined;
  let cursor: string | undefined;
  do {
    await placeRevoked();
    const page = await read({ since: all, cursor });
    next ??= page.since;
    total = page.total ?? total;
    await placePage(page);
    looked += page.items.length;
    deps.progress(looked, total, written);
    cursor = page.next_cursor;
  } while (cursor !== undefined);
  await requireComparison(deps, await read({ issuer: PLATFORM }));
  const pass = { epoch, since: next, ...(whole ? { verified: true } : {}) };
  await api.send('POST', `/v1/publishing/targets/${id}/passes`, pass);
  return { issuers: looked, written, verified: whole };
}

/** A store that does not compare would let a publisher that was asleep put old documents over new ones. */
async function requireComparison({ target }: PassDeps, { items, max_age: maxAge }: Page): Promise<void> {
  const discovery = items.flatMap((item) => item.documents).find((one) => one.document === 'discovery');
  if (!discovery) return;
  try {
    // The very bytes that stand there: no harm is done where they are taken.
    await target.put(discovery.path, discovery.body as string, maxAge, undefined);
  } catch (error) {
    if (error instanceof Changed) return;
    throw error;
  }
  throw new Failure('target_unconditional', 'This store writes objects without looking at what they replace.', {
    hint: 'It must know If-Match and If-None-Match on writes, as S3 does; publish to another store.',
  });
}

/** Whether the platform's discovery document is as it was left: a bucket that was emptied, or a directory that is not mounted, is seen at once. */
export async function isAsLeft({ api, target, id }: PassDeps): Promise<boolean> {
  const page = (await api.get(`/v1/publishing/targets/${id}/documents`, { issuer: PLATFORM })) as Page;
  const discovery = page.items.flatMap((item) => item.documents).find((one) => one.document === 'discovery');
  return discovery?.placed === undefined || (await target.look(discovery.path)) === discovery.placed.tag;
}
