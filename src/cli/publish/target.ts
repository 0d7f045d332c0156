// Where documents are put: a directory or a bucket, by its name; each knows what stands there by a tag.
import { resolve } from 'node:path';
import { Failure, usage } from '../failure.ts';

/** Something else stands there than what was to be replaced: nothing was written. */
export class Changed extends Error {
  override name = 'Changed';
}

export interface Target {
  /** Nobody else on this host writes there until it is given back; a store that compares by itself needs none. @throws Failure */
  take(): () => void;
  /** The tag of what stands at a path; undefined where there is nothing. @throws Failure */
  look(path: string): Promise<string | undefined>;
  /**
   * Puts a document over what has this tag, or where there is nothing; whole, or not at all.
   * @param maxAge seconds. @returns its tag. @throws Changed; Failure
   */
  put(path: string, body: string, maxAge: number, over: string | undefined): Promise<string>;
  close(): void;
  /** Documents written at once. */
  width: number;
}

const BUCKET = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:\/[A-Za-z0-9._-]+)*)\/?$/;

export type Place =
  | { kind: 'bucket'; name: string; bucket: string; prefix: string }
  | { kind: 'directory'; name: string };

/** What --to means, in the one form in which it is recorded. @throws Failure (usage) */
export function parsePlace(text: string): Place {
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) {
    const [, bucket, path = ''] = BUCKET.exec(text) ?? [];
    if (bucket === undefined || path.split('/').some((part) => /^\.{1,2}$/.test(part)))
      throw usage(`--to ${text} is no bucket.`, 'It is s3://bucket or s3://bucket/prefix; or a directory.');
    return { kind: 'bucket', name: `s3://${bucket}${path}`, bucket, prefix: path === '' ? '' : `${path.slice(1)}/` };
  }
  const name = resolve(text);
  if (!/^\/[!-~]*$/.test(name) || name.length > 512)
    throw usage(
      `--to ${text} is no directory that can be named.`,
      'Its path has printable ASCII without spaces, 512 characters at most.',
    );
  return { kind: 'directory', name };
}

const PATH = /^(c\/is_[a-z2-7]{26}\/)?(jwks|\.well-known\/openid-configuration)$/;

/** A path of a document, as the service names it: nothing else is ever written. @throws Failure */
export function requirePath(path: string): string {
  if (PATH.test(path)) return path;
  throw new Failure('unexpected_answer', `The service named "${path}", which is no document.`, {
    hint: 'Is COUNTERSIGN_URL the internal URL of the service?',
  });
}

/** Opens it; its libraries are imported here, so that other commands start without them. */
export async function openTarget(place: Place, env: Record<string, string | undefined>): Promise<Target> {
  if (place.kind === 'directory') {
    const { openDirectory } = await import('./directory.ts');
    return await openDirectory(place.name);
  }
  const { openBucket } = await import('./bucket.ts');
  return openBucket(place, env);
}
