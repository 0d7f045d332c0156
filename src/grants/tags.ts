// Session tags of a grant, within AWS's limits: what STS would refuse at every hand-out is refused when it is written.
import { Problem } from '../errors.ts';

export const MAX_TAGS = 50;

// IAM's tagKeyType and tagValueType: letters, spaces, digits and these signs of any script.
const KEY = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u;
const VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u;

/** @throws Problem `invalid_tags` */
export function checkTags(tags: Record<string, string>): void {
  const refuse = (detail: string): Problem =>
    new Problem('invalid_tags', detail, {
      hint: 'Keys have 1 to 128 characters and values 0 to 256: letters, digits, spaces and _.:/=+-@; keys do not begin with "aws:".',
    });
  const entries = Object.entries(tags);
  if (entries.length > MAX_TAGS) throw refuse(`A session takes ${MAX_TAGS} tags at most.`);
  const seen = new Set<string>();
  for (const [key, value] of entries) {
    const folded = key.toLowerCase();
    if (!KEY.test(key) || folded.startsWith('aws:')) throw refuse('A key of these tags is not one that AWS takes.');
    if (!VALUE.test(value)) throw refuse(`The value of the tag "${key}" is not one that AWS takes.`);
    if (seen.has(folded)) throw refuse(`The tag "${key}" comes twice: AWS does not tell keys apart by case.`);
    seen.add(folded);
  }
}
