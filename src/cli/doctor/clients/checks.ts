// What each AWS client would take here, and whether what the variables of containers lead to would be given to it.
import { readFileSync } from 'node:fs';
import { getCACertificates, rootCertificates } from 'node:tls';
import { createAsk } from '../../../reach/stranger.ts';
import { Failure } from '../../failure.ts';
import { send } from '../../http.ts';
import type { Outside } from '../../outside.ts';
import { type Check, type Finding, ok } from '../findings.ts';
import { containerUrl, findContainerFaults } from './container.ts';
import { stepOf } from '../connection.ts';
import { type Environment, readSharedFiles } from './profiles.ts';
import { type Choice, chooseSource, type Client, CLIENTS } from './sources.ts';

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Tried with 2.9.19. */
const OLD_CLI =
  "One as old as Debian 12's (2.9) reads AWS_CONTAINER_AUTHORIZATION_TOKEN alone, and asks no host but localhost.";

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function judge(client: Client, choice: Choice, { env, now }: Outside): Finding[] {
  const code = `client_${client.replace('-', '_')}`;
  const name = CLIENTS[client];
  const detail = `${capital(name)} takes ${choice.what}: ${choice.because}.`;
  if (choice.fault)
    return [{ code, severity: 'failure', detail: `${capital(name)} fails: ${choice.fault}.`, hint: `${choice.undo}.` }];
  if (choice.source === 'container') {
    const faults = findContainerFaults(client, env, read, now());
    const old = client === 'aws-cli' && !env['AWS_CONTAINER_AUTHORIZATION_TOKEN'] ? ` ${OLD_CLI}` : '';
    if (faults.length === 0) return [ok(code, `${detail}${old}`, containerUrl(client, env)?.href)];
    return faults.map((fault) => ({
      ...{ code, severity: 'failure' as const, subject: CLIENTS[client] },
      ...{ detail: `${detail} ${fault.detail}`, hint: fault.hint },
    }));
  }
  if (!choice.later.includes('container')) return [ok(code, detail)];
  return [
    {
      ...{ code, severity: 'warning', detail: `${detail} Container credentials are configured and passed over.` },
      hint: `To let them through: ${choice.undo}. \`countersign exec\` starts a command without all that would win.`,
    },
  ];
}

/** Nothing is asked: variables and files alone. */
export function checkClients(outside: Outside): Check {
  return {
    code: 'clients',
    look: async () => {
      const files = readSharedFiles(outside.env);
      const clients = Object.keys(CLIENTS) as Client[];
      return clients.flatMap((client) => judge(client, chooseSource(client, outside.env, files), outside));
    },
  };
}

/** Whether the public roots alone accept this: no SDK takes another on its way to container credentials. */
export function checkClientTls(
  url: URL,
  [stranger, own] = [createAsk(rootCertificates), createAsk(getCACertificates('default'))],
): Check {
  const code = 'client_tls';
  return {
    code,
    look: async () => {
      const there = new URL('/livez', url);
      try {
        await stranger(there);
        return [ok(code, 'AWS clients accept its certificate: it is of a public authority.', url.origin)];
      } catch (fault) {
        const { code: name } = fault as { code?: string };
        const trustedHere = await own(there).then(
          () => true,
          () => false,
        );
        return [
          {
            ...{ code, severity: 'failure', subject: url.origin },
            detail: trustedHere
              ? `This command accepts its certificate and no AWS client does (${name}): it is of a private authority, and neither AWS_CA_BUNDLE nor SSL_CERT_FILE counts here.`
              : `It cannot be reached by TLS: ${name ?? (fault as Error).message}.`,
            hint: trustedHere
              ? 'Run an agent on 127.0.0.1, which trusts it by NODE_EXTRA_CA_CERTS; or give it a public certificate.'
              : 'Look at the address, the certificate and the way there.',
          },
        ];
      }
    },
  };
}

const MEMBERS = ['AccessKeyId', 'SecretAccessKey', 'Token', 'Expiration'];
/** botocore's; the others wait less long to connect and longer to read. */
const DEADLINE_MS = 2_000;

function readObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** What the endpoint gives for the token of the environment, asked once as clients ask. */
export function checkEndpoint(url: URL, env: Environment): Check {
  const file = env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'];
  const token = file ? read(file) : env['AWS_CONTAINER_AUTHORIZATION_TOKEN'];
  const code = 'client_endpoint';
  return {
    code,
    look: async () => {
      // What is wrong with a token that cannot be sent is said for each client.
      if (!token || /[\r\n]/.test(token)) return [];
      const headers = { accept: 'application/json', authorization: token };
      const asked = await send({ method: 'GET', url: url.href, headers, deadline: DEADLINE_MS }).catch(
        (error: unknown) => {
          if (!(error instanceof Failure)) throw error;
          return error;
        },
      );
      if (asked instanceof Failure)
        return [
          {
            ...{ code, severity: 'failure', subject: url.origin, detail: asked.message },
            hint: 'Is `countersign agent` running there? AWS_CONTAINER_CREDENTIALS_FULL_URI must be what it printed; clients wait for a second or two.',
          },
        ];
      const { status, text, requestId } = asked;
      const answer = readObject(text);
      if (status === 200 && MEMBERS.every((name) => typeof answer[name] === 'string'))
        return [ok(code, `It gives credentials until ${String(answer['Expiration'])}.`, url.origin)];
      const name = answer['code'] ?? answer['Code'];
      const told = answer['detail'] ?? answer['Message'];
      const { hint, sts_request_id: stsRequestId } = answer;
      return [
        {
          ...{ code, severity: 'failure', subject: url.origin },
          detail: `It answers ${status}: ${typeof told === 'string' ? told : 'not in words that are known here'} (${typeof name === 'string' ? `${name}, of the ${stepOf(name)}` : 'no code'}${requestId ? `, request ${requestId}` : ''}${typeof stsRequestId === 'string' ? `, AWS request ${stsRequestId}` : ''})`,
          hint: typeof hint === 'string' ? hint : 'Look at `countersign doctor --connection …` as the same workload.',
        },
      ];
    },
  };
}
