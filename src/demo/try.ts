// What to try while the demo is up: commands to copy, each good as it stands, and nothing secret on the screen.
import type { Paint } from '../cli/text.ts';
import { REGION } from './aws.ts';
import type { Stage } from './stage.ts';
import type { Played } from './steps.ts';

export interface Suggestion {
  title: string;
  lines: string[];
}

/** The AWS CLI of version 1 knows the second alone. */
const SET_REGION = `AWS_REGION=${REGION} AWS_DEFAULT_REGION=${REGION}`;

const COUNTERSIGN = 'npm -s run countersign --';

/** For a POSIX shell. */
const quote = (text: string): string => (/^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** @param tokenFile of the workload, for AWS SDKs */
export function suggest(
  stage: Stage,
  { house, connection, workload, audience }: Played,
  tokenFile: string,
): Suggestion[] {
  const { url } = house.service;
  const { url: sandboxUrl } = house.sandbox;
  const owner = house.sandbox.account(connection.aws.account_id);
  const host = `SOCKET_PATH=${quote(stage.socketPath)}`;
  const asWorkload = `COUNTERSIGN_URL=${url} COUNTERSIGN_CLIENT_ID=${workload.id} COUNTERSIGN_PRIVATE_KEY_FILE=${quote(workload.privateKeyFile)}`;
  return [
    {
      title: 'In a browser',
      lines: [`${url}/docs    # the API page; the documents are at ${url}/.well-known/openid-configuration`],
    },
    {
      title: `As ${workload.slug}, with the AWS CLI or any SDK as it is: it fetches its credentials from Countersign`,
      lines: [
        'unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_WEB_IDENTITY_TOKEN_FILE',
        `export ${SET_REGION} AWS_CONTAINER_CREDENTIALS_FULL_URI=${audience}`,
        `export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=${quote(tokenFile)}    # kept fresh while the demo is up`,
        `aws --endpoint-url ${sandboxUrl} sts get-caller-identity`,
        `aws --endpoint-url ${sandboxUrl} iam list-roles`,
      ],
    },
    {
      title: `As the owner of ${connection.name}'s account (in another shell)`,
      lines: [
        'unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CONTAINER_CREDENTIALS_FULL_URI',
        `export ${SET_REGION} AWS_ACCESS_KEY_ID=${owner.accessKeyId} AWS_SECRET_ACCESS_KEY=${owner.secretAccessKey}`,
        `aws --endpoint-url ${sandboxUrl} cloudformation describe-stacks`,
        `aws --endpoint-url ${sandboxUrl} iam get-role --role-name ${connection.aws.role_name}`,
      ],
    },
    {
      title: `With curl, as ${workload.slug}`,
      lines: [
        `TOKEN=$(${asWorkload} ${COUNTERSIGN} token --connection ${connection.id})`,
        `curl -s -X POST -H "Authorization: Bearer $TOKEN" ${audience}`,
        `curl -s ${connection.issuer.url}/jwks`,
      ],
    },
    {
      title: 'With curl, as the operator',
      lines: [
        `API=$(${host} ${COUNTERSIGN} token)`,
        `curl -s -H "Authorization: Bearer $API" ${url}/v1/connections/${connection.id}`,
        `curl -s -H "Authorization: Bearer $API" '${url}/v1/audit?kind=exchange.outcome&limit=3'`,
      ],
    },
    {
      title: 'With the countersign command, as the operator',
      lines: [
        `export ${host}`,
        `${COUNTERSIGN} whoami`,
        `${COUNTERSIGN} connection list`,
        `${COUNTERSIGN} key show ${connection.issuer.id}`,
        `${COUNTERSIGN} key rotate ${connection.issuer.id} --now --reason "trying it out"`,
        `${COUNTERSIGN} audit --limit 10`,
        `${COUNTERSIGN} workload suspend ${workload.slug} --reason "what if"    # then ask again as it; resume undoes it`,
      ],
    },
    { title: 'What the service says', lines: [`tail -f ${quote(stage.logFile)}`] },
  ];
}

export function suggestionText(paint: Paint, suggestions: readonly Suggestion[]): string {
  return suggestions
    .map(({ title, lines }) => `  ${paint('bold', title)}\n${lines.map((line) => `    ${line}`).join('\n')}`)
    .join('\n\n');
}

/** How to come back to what --data-dir kept. The sandbox's accounts are gone: they were in memory. */
export function keptText({ dataDir, keysDir }: Stage, { house }: Played): string {
  const variables = `ISSUER_URL=${house.service.url} DATA_DIR=${quote(dataDir)} KEYS_DIR=${quote(keysDir)}`;
  return `Kept in ${dataDir}. The service starts on it again with:\n    ${variables} npm start`;
}
