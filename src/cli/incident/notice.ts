// What the owner of an account is told: which sessions may be misused, the policy that ends them, and where to look.
import type { ConnectionFacts } from './facts.ts';
import type { Incident } from './plan.ts';

export interface Owner {
  id: string;
  name: string;
  reference: string | null;
  tenant: string;
  subject: string;
  issuer: { id: string; url: string };
  aws: { account_id: string; role_arn: string; role_name: string; region?: string };
}

export interface Notice {
  connection: string;
  account_id: string;
  role_name: string;
  policy_name: string;
  /** Sessions of the role that were issued before this are denied. */
  issued_before: string;
  deny_policy: object;
  /** For CloudTrail Lake; `<event-data-store>` is the owner's. */
  cloudtrail_made: string;
  cloudtrail_used: string;
}

/** AWS tells issue times in whole seconds: the next one covers all before it. */
export function issuedBefore(containedAt: string): string {
  return new Date(Math.ceil(Date.parse(containedAt) / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/** @param userId of one session alone, `AROA…:name`; every session of the role unless given */
export function denyPolicy(before: string, userId?: string): object {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'SessionsFromBeforeTheIncident',
        Effect: 'Deny',
        Action: '*',
        Resource: '*',
        Condition: {
          DateLessThan: { 'aws:TokenIssueTime': before },
          ...(userId === undefined ? {} : { StringEquals: { 'aws:userid': userId } }),
        },
      },
    ],
  };
}

const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const lake = (time: string): string => time.slice(0, 19).replace('T', ' ');

export function buildNotice(
  { id, since }: Incident,
  owner: Owner,
  {
    containedAt,
    forgeriesUntil,
    userId,
  }: { containedAt: string; forgeriesUntil?: string | undefined; userId?: string | undefined },
): Notice {
  const before = issuedBefore(containedAt);
  const range = `eventTime >= ${quoted(lake(since))}`;
  const until = forgeriesUntil === undefined ? '' : ` AND eventTime <= ${quoted(lake(forgeriesUntil))}`;
  return {
    ...{ connection: owner.id, account_id: owner.aws.account_id, role_name: owner.aws.role_name },
    ...{ policy_name: `Countersign-${id}`, issued_before: before, deny_policy: denyPolicy(before, userId) },
    cloudtrail_made: `SELECT eventTime, awsRegion, sourceIPAddress, eventID, requestID, errorCode,
  element_at(requestParameters, 'roleSessionName') AS session_name,
  element_at(requestParameters, 'policy') AS session_policy,
  element_at(responseElements, 'credentials') AS credentials
FROM <event-data-store>
WHERE eventSource = 'sts.amazonaws.com' AND eventName = 'AssumeRoleWithWebIdentity'
  AND element_at(requestParameters, 'roleArn') = ${quoted(owner.aws.role_arn)}
  AND userIdentity.userName = ${quoted(owner.subject)}
  AND ${range}${until}
ORDER BY eventTime`,
    cloudtrail_used: `SELECT eventTime, eventSource, eventName, awsRegion, sourceIPAddress, userIdentity.accessKeyId, userIdentity.principalId, errorCode
FROM <event-data-store>
WHERE userIdentity.type = 'AssumedRole' AND userIdentity.sessionContext.sessionIssuer.arn = ${quoted(owner.aws.role_arn)}${userId === undefined ? '' : `\n  AND userIdentity.principalId = ${quoted(userId)}`}
  AND ${range}
ORDER BY eventTime`,
  };
}

const block = (language: string, body: string): string => `\`\`\`${language}\n${body}\n\`\`\`\n`;

/** The letter, in Markdown: what was done, what is left for the owner, in the order in which to do it. */
export function noticeText(
  incident: Incident,
  owner: Owner,
  facts: ConnectionFacts | undefined,
  notice: Notice,
  {
    leaked,
    forgeriesUntil,
    complete,
  }: { leaked: readonly string[]; forgeriesUntil?: string | undefined; complete: boolean },
): string {
  const lives =
    facts?.may_live_until === undefined
      ? 'By our record no session of yours that it touched can still live.'
      : `By our record ${facts.may_live} session${facts.may_live === 1 ? '' : 's'} may still live, the last until ${facts.may_live_until}.`;
  const more = facts?.access_key_ids_left_out ? `\n… and ${facts.access_key_ids_left_out} more` : '';
  const listed = (ids: readonly string[] = [], rest = ''): string =>
    ids.length === 0 ? 'None.\n' : block('text', ids.join('\n') + rest);
  const others = facts?.other_access_key_ids ?? [];
  const somebody = complete
    ? 'A row whose access key id is in neither list is somebody else, but for the name `countersign-verify` with a session\npolicy that denies everything: that is our own verification.'
    : 'Other rows are other work of ours, or somebody else: ask us about an access key id that you do not know.';
  return `# ${incident.id}: AWS account ${owner.aws.account_id}, role ${owner.aws.role_name}

${leaked.join(' ')} It may have been known since ${incident.since}. It was contained at ${notice.issued_before}.
${lives}

## 1. End the sessions from before

AWS sessions cannot be recalled from outside: you deny them, by when they were issued. Save as \`deny.json\`:

${block('json', JSON.stringify(notice.deny_policy, null, 2))}
${block('sh', `aws iam put-role-policy --role-name ${owner.aws.role_name} \\\n  --policy-name ${notice.policy_name} --policy-document file://deny.json`)}
Work that holds such a session is refused once, asks for a new one and goes on. Twelve hours later no such session can live:
\`aws iam delete-role-policy --role-name ${owner.aws.role_name} --policy-name ${notice.policy_name}\`.
${forgeriesUntil === undefined ? '' : `\nUntil ${forgeriesUntil} AWS might still accept a forged token, if it holds our older keys. What the first query shows after\n${notice.issued_before} and is in none of the lists below may be a forgery: repeat the policy with a later time.\n`}
## 2. See which sessions were made

In CloudTrail Lake (OIDC provider \`${owner.issuer.url}\`, subject \`${owner.subject}\`):

${block('sql', notice.cloudtrail_made)}
Ours, and touched by what leaked:

${listed(facts?.access_key_ids, more)}${complete && others.length > 0 ? `\nOurs, and not touched:\n\n${listed(others)}` : ''}
${somebody}

## 3. See what they did

${block('sql', notice.cloudtrail_used)}`;
}
