// What IAM wants of every policy document, whether an identity policy or a session policy.

/** A condition operator. */
export const OPERATOR =
  /^(Null|(ForAnyValue:|ForAllValues:)?(String(Not)?(Equals|EqualsIgnoreCase|Like)|Numeric(Not)?Equals|Numeric(Less|Greater)Than(Equals)?|Date(Not)?Equals|Date(Less|Greater)Than(Equals)?|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like))(IfExists)?)$/;

/** Every resource, or an ARN of six parts; the second group is its partition. */
export const RESOURCE = /^(\*|arn:([^:]*):[^:]*:[^:]*:[^:]*:.+)$/s;

/** Whether two statements have one Sid, which IAM takes in no document. */
export function repeatsSid(statements: readonly { Sid?: string | undefined }[]): boolean {
  const sids = statements.flatMap(({ Sid }) => (Sid === undefined ? [] : [Sid]));
  return new Set(sids).size < sids.length;
}
