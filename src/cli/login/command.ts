// `countersign login` and `countersign logout`: people prove who they are at their company's issuer, and keep no key.
import type { Command } from 'commander';
import { proveAccess } from '../access.ts';
import type { Call } from '../call.ts';
import { addVerb } from '../command.ts';
import { Failure, usage } from '../failure.ts';
import { baseUrl } from '../http.ts';
import { duration, integer } from '../options.ts';
import type { Outside } from '../outside.ts';
import { patiently } from '../patience.ts';
import { readAs } from '../source.ts';
import { clean, fields } from '../text.ts';
import type { SignedIn } from './company.ts';
import { alone, assertKeepable, describeSignIn, keepSignIn, readSignIn, removeSignIn, type SignIn } from './kept.ts';
import { chooseLogin, listLogins, type Login } from './logins.ts';
import { signIn, type Ways } from './sign-in.ts';

interface LoginOptions extends Ways {
  issuer?: string;
}

function urlOf({ options, outside }: Call<unknown>): string {
  const given = options.url ?? outside.env.COUNTERSIGN_URL;
  if (!given)
    throw usage(
      'People sign in to a service, and nothing says where it is.',
      'Set COUNTERSIGN_URL to the internal URL of the service, or give --url.',
    );
  return baseUrl(given, options.url ? '--url' : 'COUNTERSIGN_URL');
}

/** In quotes for a POSIX shell: what an issuer calls people is a stranger's text. */
const quote = (text: string): string => (/^[\w@.:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** What to hand to an administrator, where the service knows nobody by this sign-in. */
function explainUnbound(error: unknown, kept: SignIn, { name }: SignedIn): unknown {
  if (!(error instanceof Failure) || !/nobody here has this identity/.test(error.message)) return error;
  const identity = `--issuer ${quote(kept.name)} --subject ${quote(kept.subject)}`;
  return new Failure(
    'nobody_bound',
    `You signed in at ${kept.name} as ${kept.subject}${name ? ` (${name})` : ''}, and the service knows nobody by that.`,
    {
      problems: [
        'An administrator binds you, to an administrator or to a workload for laptops:',
        `countersign administrator identity add <administrator> ${identity} --reason "…"`,
        `countersign workload identity add <workload> ${identity} --person --reason "…"`,
      ],
      hint: 'The sign-in is kept: once that is done, commands work until it ends.',
      cause: error,
    },
  );
}

/** Variables that say who asks, and win over a sign-in. */
const OTHERS = ['TOKEN', 'CLIENT_ID', 'PRIVATE_KEY_FILE', 'IDENTITY_TOKEN', 'IDENTITY_TOKEN_FILE'];

async function login(call: Call<LoginOptions>): Promise<void> {
  const { options, outside, apiWith, show, note } = call;
  const url = urlOf(call);
  const as = readAs(outside.env, options);
  assertKeepable(outside.env, url);
  const chosen: Login = chooseLogin(await patiently(() => listLogins(url), outside.sleep), options.issuer);
  const signedIn = await signIn(outside, chosen, options);
  const kept: SignIn = {
    ...{ url, name: chosen.name, issuer: chosen.issuer, client_id: chosen.client_id, subject: signedIn.subject },
    ...{ id_token: signedIn.idToken, expires_at: signedIn.expiresAt, refresh_token: signedIn.refreshToken },
  };
  await alone(outside, url, async () => keepSignIn(outside.env, kept));
  const whoami = await (async () => {
    try {
      const source = { kind: 'person', signIn: kept, as, url } as const;
      const access = await patiently(() => proveAccess(outside, source, { for: 'api', scopes: [] }), outside.sleep);
      return (await apiWith(access).get('/v1/whoami')) as Record<string, unknown>;
    } catch (error) {
      throw explainUnbound(error, kept, signedIn);
    }
  })();
  const { kind, id, slug } = whoami;
  const shown = { kind, id, slug, as: whoami['as'], ...describeSignIn(kept) };
  show(shown, (paint) => fields(paint, Object.entries(shown)));
  note(kept.refresh_token ? 'It is renewed by itself when it ends.' : 'When it ends: countersign login again.');
  const other = OTHERS.map((name) => `COUNTERSIGN_${name}`).find((name) => outside.env[name]);
  if (other) note(`warning: ${other} is set, and commands are what it says. Unset it to be who you signed in as.`);
}

async function logout(call: Call<object>): Promise<void> {
  const { outside, show } = call;
  const url = urlOf(call);
  const kept = await alone(outside, url, async () => {
    try {
      return readSignIn(outside.env, url);
    } finally {
      // Whatever is there, and whoever may have written it.
      removeSignIn(outside.env, url);
    }
  });
  const done = { signed_out: kept !== undefined, issuer: kept?.name, revoked: false };
  if (kept?.refresh_token !== undefined) {
    const { revoke } = await import('./company.ts');
    try {
      done.revoked = await revoke(kept, kept.refresh_token);
    } catch (error) {
      throw new Failure(
        'not_revoked',
        `The sign-in is removed here, and its refresh token is not revoked: ${error instanceof Error ? error.message : ''}`,
        { hint: `End the session at ${kept.issuer} itself.`, cause: error },
      );
    }
  }
  show(done, () => {
    if (!kept) return 'Nobody was signed in.\n';
    const revoked = done.revoked ? ' Its refresh token is revoked.' : '';
    return `Signed out of ${clean(url)}.${revoked} What was given for the sign-in ends with it.\n`;
  });
}

export function addLoginCommands(program: Command, outside: Outside): void {
  addVerb<LoginOptions>(program, outside, {
    usage: 'login',
    summary: "Sign in at your company's issuer, with a browser or another device.",
    about: [
      'Commands are then who you signed in as, where no variable says otherwise. The sign-in is kept for this user alone, in',
      '$XDG_STATE_HOME/countersign or ~/.local/state/countersign, until it ends; with a refresh token it is renewed by itself.',
      'Without a display, the sign-in is by another device where the issuer allows that.',
    ].join('\n'),
    examples: [
      'COUNTERSIGN_URL=https://countersign.internal.example.com countersign login',
      'countersign login --issuer acme --device',
      'countersign login --as billing',
    ],
    options: (command) =>
      command
        .option('--issuer <name>', 'where to sign in, as the service calls it; needed where there is more than one')
        .option('--device', 'with the browser of another device, by a code')
        .option('--no-browser', 'print the page, and let me open it on this machine')
        .option('--port <n>', 'of 127.0.0.1, where the browser comes back (default: a free one)', integer(1, 65_535))
        .option('--wait <time>', 'how long to wait for you: 30s, 5m', duration, 300),
    run: login,
  });
  addVerb(program, outside, {
    usage: 'logout',
    summary: 'Forget who signed in here, and revoke the refresh token.',
    examples: ['countersign logout'],
    run: logout,
  });
}
