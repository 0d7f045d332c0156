// What AWS's SDKs make of a ceiling of sessions, a connection's or a grant's: said when it is written and shown, refused by nobody.

/** botocore fetches anew from 15 minutes before the end; a session of twice that leaves it time to use one. */
const SHORT_SECONDS = 1800;

export interface CeilingWarning {
  code: 'short_ceiling';
  /** For a person: what happens, and what to do. */
  detail: string;
}

/** @param seconds of the longest session @returns none, where it is long enough */
export function warnOfCeiling(seconds: number): CeilingWarning[] {
  if (seconds >= SHORT_SECONDS) return [];
  return [
    {
      code: 'short_ceiling',
      detail: `boto3 and the AWS CLI fetch credentials anew from 15 minutes before they end: of sessions of ${seconds} s, on nearly every use. Allow ${SHORT_SECONDS} s or more unless these callers are few.`,
    },
  ];
}
