// Where key-encryption keys are, by the environment: its variables, read and checked.
import { join, resolve } from 'node:path';
import { Type } from 'typebox';
import { kmsKeyRegion } from '../clouds/aws-regions.ts';

/** Where a key-encryption key is: in a file, or in AWS KMS by its ARN. */
export type KekSource = { file: string } | { kmsKey: string };

export const KEK_VARIABLES = {
  KEYS_DIR: Type.Optional(
    Type.String({ minLength: 1, description: 'where the development key-encryption key is; keys unless given' }),
  ),
  KEY_ENCRYPTION_KEY_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        '32 random bytes in base64; <KEYS_DIR>/development.key unless given, which only a loopback issuer on the embedded database may use',
    }),
  ),
  KEY_ENCRYPTION_KEYS: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4096,
      description:
        'further key-encryption keys, separated by commas, each the path of a file or the ARN of an AWS KMS key: they open what they wrapped, and `countersign kek rotate` can choose them',
    }),
  ),
};

type Variables = { [name in keyof typeof KEK_VARIABLES]?: string | undefined };

/** Those that are named, in that order; the development key where none is. @param problems grows by what is wrong */
export function readKekSources(values: Variables, loopback: boolean, problems: string[]): KekSource[] {
  const { KEY_ENCRYPTION_KEY_FILE: first, KEY_ENCRYPTION_KEYS: further, KEYS_DIR: dir = 'keys' } = values;
  const named = [...(first === undefined ? [] : [first]), ...(further?.split(',') ?? [])].map((name) => name.trim());
  if (named.length === 0 && !loopback)
    problems.push(
      'KEY_ENCRYPTION_KEY_FILE is missing: a development key is for a loopback ISSUER_URL only. Make one with: openssl rand -base64 32; or name a KMS key in KEY_ENCRYPTION_KEYS.',
    );
  if (named.includes('')) problems.push('KEY_ENCRYPTION_KEYS has an empty name: it is a list, separated by commas.');
  for (const arn of named.filter((name) => name.startsWith('arn:') && kmsKeyRegion(name) === undefined))
    problems.push(
      `KEY_ENCRYPTION_KEYS: ${arn} is not the ARN of a KMS key: it is arn:aws:kms:<region>:<account>:key/<id>; an alias may be pointed elsewhere.`,
    );
  const names = named.length > 0 ? named : [join(dir, 'development.key')];
  return names.map((name) => (name.startsWith('arn:') ? { kmsKey: name } : { file: resolve(name) }));
}
