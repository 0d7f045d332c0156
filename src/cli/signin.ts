// `countersign signin`: a link that signs a browser in to the AWS console, with session credentials of a connection.
import type { Command } from 'commander';
import type { Credentials } from '../agent/sessions.ts';
import { PARTITIONS, signinFacts } from '../clouds/aws-regions.ts';
import { addVerb } from './command.ts';
import { Failure, usage } from './failure.ts';
import { baseUrl, send } from './http.ts';
import { askForCredentials } from './handed.ts';
import { integer, readJson } from './options.ts';
import type { Outside } from './outside.ts';

interface SigninOptions {
  purpose?: string;
  durationSeconds?: number;
  sessionPolicy?: string;
  destination: string;
  signinUrl?: string;
}

/** A link is good for so long, AWS says. */
const LINK_MS = 15 * 60_000;

const isConsole = (hostname: string, host: string): boolean => `.${hostname}`.endsWith(`.${host}`);

/**
 * A page of some console: `/s3/buckets?region=eu-west-1`, or its whole URL. A link to anywhere else would lend its name to a
 * stranger's page.
 * @param host of the console; any partition's where it is not known yet. @throws Failure (usage)
 */
export function readDestination(text: string, host?: string): string {
  const hosts = host === undefined ? PARTITIONS.map((one) => signinFacts(one).consoleHost) : [host];
  const url = URL.parse(text, text.startsWith('/') ? `https://${hosts[0]}` : undefined);
  const ours =
    url?.protocol === 'https:' &&
    `${url.username}${url.password}${url.port}` === '' &&
    hosts.some((one) => isConsole(url.hostname, one));
  if (ours) return url.href;
  throw usage(
    `--destination is not a page of the AWS console${host === undefined ? '' : ` at ${host}`}.`,
    'Give a path such as /s3/buckets?region=eu-west-1, or a whole URL such as https://eu-west-1.console.aws.amazon.com/s3/buckets.',
  );
}

/**
 * A sign-in token for a session. The secrets go in the body of a POST, where no proxy and no log keeps them.
 * @param endpoint of the federation, its path included
 * @throws Failure, which never shows what was sent or answered
 */
async function requestSigninToken(endpoint: string, session: Credentials): Promise<string> {
  const form = new URLSearchParams({
    Action: 'getSigninToken',
    Session: JSON.stringify({
      ...{ sessionId: session.AccessKeyId, sessionKey: session.SecretAccessKey, sessionToken: session.Token },
    }),
  });
  const { origin } = new URL(endpoint);
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' };
  const answer = await send({ method: 'POST', url: endpoint, headers, body: form.toString() }).catch(
    (error: unknown) => {
      if (!(error instanceof Failure)) throw error;
      throw new Failure('signin_unreachable', error.message, {
        hint: `This machine must reach ${origin} itself: the service is not asked for it. Then ask again.`,
        cause: error,
      });
    },
  );
  const refusal = (detail: string): Failure =>
    new Failure('signin_refused', `${origin} ${detail}`, {
      hint: 'AWS does not say why. A session that has ended, or one of another partition, is refused: ask again, and look with `aws sts get-caller-identity` whether its credentials work.',
      status: answer.status,
    });
  if (answer.status !== 200) throw refusal(`answered ${answer.status}, not with a sign-in token.`);
  let token: unknown;
  try {
    token = (JSON.parse(answer.text) as { SigninToken?: unknown } | null)?.SigninToken;
  } catch {
    // What is no JSON is told below, and not shown.
  }
  if (typeof token !== 'string' || token === '') throw refusal('answered without a sign-in token.');
  return token;
}

export function addSigninCommand(program: Command, outside: Outside): void {
  addVerb<SigninOptions>(program, outside, {
    usage: 'signin <connection>',
    summary: 'Print a link that signs a browser in to the AWS console, as a workload.',
    about: [
      'The link is a secret: whoever opens it within 15 minutes is the role, for as long as the session lives. It stands',
      'alone on stdout; what there is to say of it is on stderr. The session is on record as any hand-out is, and no longer',
      'or wider than its grant allows.',
    ].join('\n'),
    examples: [
      'countersign signin cn_… --purpose support --reason "ticket 4711"',
      'countersign signin prod-eu --destination "/s3/buckets?region=eu-west-1"',
    ],
    options: (command) =>
      command
        .option('--destination <page>', 'a path of the console, or its whole URL', '/console/home')
        .option('--purpose <purpose>', 'chooses the grant')
        .option('--duration-seconds <n>', 'length of the session, 900 to 43200', integer(900, 43_200))
        .option('--session-policy <file>', 'JSON policy of Deny statements, for this session')
        .option('--signin-url <url>', "AWS's sign-in endpoint (default: $SIGNIN_ENDPOINT_URL, or the partition's own)")
        .option('--reason <text>', 'why, for the audit log'),
    run: async (call) => {
      const { args, options, show, note } = call;
      const named = options.signinUrl ?? outside.env.SIGNIN_ENDPOINT_URL;
      const other = named ? baseUrl(named, options.signinUrl ? '--signin-url' : 'SIGNIN_ENDPOINT_URL') : undefined;
      readDestination(options.destination);
      const session = await askForCredentials(call, {
        ...{ connection: args[0] as string, purpose: options.purpose, durationSeconds: options.durationSeconds },
        sessionPolicy: options.sessionPolicy === undefined ? undefined : readJson(options.sessionPolicy),
      });
      const { RoleArn: role } = session;
      const partition = PARTITIONS.find((one) => role.startsWith(`arn:${one}:`));
      if (!partition)
        throw new Failure('partition_unknown', `It is not known where the partition of ${role} signs in.`);
      const { consoleHost, signinHost } = signinFacts(partition);
      const destination = readDestination(options.destination, consoleHost);
      const endpoint = `${other ?? `https://${signinHost}`}/federation`;
      const token = await requestSigninToken(endpoint, session);
      const until = new Date(outside.now() + LINK_MS).toISOString();
      const link = new URL(endpoint);
      link.search = new URLSearchParams({
        ...{ Action: 'login', Destination: destination, SigninToken: token },
      }).toString();
      show(
        {
          ...{ url: link.href, expires_at: until, session_expires_at: session.Expiration, destination },
          ...{ account_id: session.AccountId, role_arn: role },
        },
        () => `${link.href}\n`,
      );
      note(
        `The link is a secret. Until ${until} (15 minutes) whoever opens it is ${role}; the session in the browser ends at ${session.Expiration}. Sign out of another account there first.`,
      );
    },
  });
}
