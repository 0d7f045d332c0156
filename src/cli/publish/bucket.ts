// A bucket as a target: the tag is its ETag, and S3 itself compares.
import { createBucket } from '../../clouds/aws-s3.ts';
import { BucketConflict, BucketError } from '../../clouds/aws-s3-errors.ts';
import { Failure, usage } from '../failure.ts';
import { Changed, type Place, requirePath, type Target } from './target.ts';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Another store that speaks S3, by the variables that all AWS tools know. @throws Failure (usage) */
function readEndpoint(env: Record<string, string | undefined>): string | undefined {
  const text = env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL;
  if (!text) return undefined;
  const url = URL.parse(text);
  if (!url || (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.test(url.hostname))))
    throw usage('AWS_ENDPOINT_URL_S3 is no https URL.', 'http is for loopback alone: keys are published there.');
  return text;
}

async function named<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof BucketConflict) throw new Changed(error.message);
    if (error instanceof BucketError) throw new Failure(error.code, error.message, { hint: error.hint });
    throw error;
  }
}

export function openBucket(
  { bucket, prefix }: Extract<Place, { kind: 'bucket' }>,
  env: Record<string, string | undefined>,
): Target {
  const objects = createBucket({ bucket, endpointUrl: readEndpoint(env) });
  return {
    take: () => () => {},
    look: (path) => named(objects.head(prefix + requirePath(path))),
    put: (path, body, maxAge, over) =>
      named(objects.put(prefix + requirePath(path), { body, cacheControl: `public, max-age=${maxAge}` }, over)),
    close: () => objects.close(),
    width: 32,
  };
}
