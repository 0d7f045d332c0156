// `workload identity` and `administrator identity`: how others call a client, and how long a token may outlive a platform's.
import { type Command, InvalidArgumentError } from 'commander';
import { segment } from './api.ts';
import type { Call } from './call.ts';
import { type Client, clientFields, type Kind, pathOf } from './client.ts';
import { addNoun, addVerb } from './command.ts';
import { given } from './options.ts';
import type { Outside } from './outside.ts';
import { fields, type Paint, table } from './text.ts';

interface Identity {
  id: string;
  trusted_issuer: string;
  subject: string;
  claims: Record<string, string | number | boolean>;
  person: boolean;
  report_only: boolean;
  warnings?: { code: string; detail: string }[];
}

interface AddOptions {
  issuer: string;
  subject: string;
  claim?: Record<string, string>;
  person?: true;
  reportOnly?: true;
  allowWildcard?: true;
  idempotencyKey?: string;
}

/** Of a claim’s name, none has an equals sign; of its value many do. */
function claim(text: string, before: Record<string, string> | undefined): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError('It must be name=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

function shown(paint: Paint, { warnings = [], ...identity }: Identity): string {
  const lines = warnings.map(({ detail }) => `${paint('yellow', 'warning')}: ${detail}\n`);
  return fields(paint, Object.entries(identity)) + lines.join('');
}

const EXAMPLES = {
  workload: [
    'countersign workload identity add billing --issuer cluster-a --subject system:serviceaccount:payments:billing --claim /kubernetes.io/serviceaccount/uid=… --reason "…"',
    'countersign workload identity add deploys --issuer github --subject "repo:acme/app:*" --allow-wildcard --claim repository_id=74 --claim repository_owner_id=65 --reason "every branch deploys"',
    'countersign workload identity add laptops --issuer acme --subject 00u1ana --person --reason "Ana reads the reports"',
  ],
  administrator: [
    'countersign administrator identity add ana --issuer acme --subject 00u1ana --reason "signs in with the company account"',
  ],
};

/** Of a workload: what its platform calls it, or people who may be it. Of an administrator: people alone. */
export function addIdentityVerbs(parent: Command, outside: Outside, kind: Kind): void {
  const [workload, example] = [kind === 'workload', kind === 'workload' ? 'billing' : 'ana'];
  const named = workload ? 'a workload' : 'an administrator';
  const noun = addNoun(
    parent,
    'identity',
    workload
      ? "identities that a workload's platform gives it, and people who may be it"
      : 'people who may be an administrator, by their sign-in',
  );
  const id = workload ? 'wi_…' : 'pi_…';
  const pathTo = (client: string | undefined, identity?: string): string =>
    `${pathOf(kind, client)}/identities${identity === undefined ? '' : `/${segment(identity)}`}`;

  const set = async (call: Call<object>, report_only: boolean): Promise<void> => {
    const [client, identity] = call.args;
    const updated = (await (await call.api()).send('PATCH', pathTo(client, identity), { report_only })) as Identity;
    call.show(updated, (paint) => shown(paint, updated));
  };

  addVerb<AddOptions>(noun, outside, {
    usage: `add <${kind}>`,
    summary: `Give ${named} an identity of a trusted issuer.`,
    about:
      'Subject and claims match exactly. A claim within an object is named by JSON Pointer: /kubernetes.io/serviceaccount/uid.',
    changes: true,
    examples: EXAMPLES[kind],
    options: (command) => {
      command
        .requiredOption('--issuer <issuer>', 'trusted issuer, by id or name')
        .requiredOption('--subject <sub>', "the token's sub")
        .option('--claim <name=value>', 'that it must carry, as text (again for more)', claim)
        .option('--report-only', 'lets nobody in: what it would match is on record');
      if (workload)
        command
          .option('--person', "of a person's sign-in, and of no platform's token")
          .option('--allow-wildcard', 'the subject ends with a * behind a colon or a slash');
      return command.option('--idempotency-key <key>', 'makes the command safe to run again');
    },
    run: async ({ api, args, options, show }) => {
      const body = given({
        ...{ trusted_issuer: options.issuer, subject: options.subject, claims: options.claim },
        ...{ person: options.person, report_only: options.reportOnly, allow_wildcard: options.allowWildcard },
      });
      const added = (await (await api()).create(pathTo(args[0]), body, options.idempotencyKey)) as Identity;
      show(added, (paint) => shown(paint, added));
    },
  });

  addVerb(noun, outside, {
    usage: `list <${kind}>`,
    summary: `List the identities of ${named}.`,
    examples: [`countersign ${kind} identity list ${example}`],
    run: async ({ api, args, show }) => {
      const answer = (await (await api()).get(pathTo(args[0]))) as { items: Identity[] };
      show(answer, (paint) => {
        const rows = answer.items.map(({ id, trusted_issuer, person, subject, claims, report_only }) => [
          ...[id, trusted_issuer, person ? 'a person' : 'a platform', report_only ? 'reports' : 'lets in'],
          ...[subject, JSON.stringify(claims)],
        ]);
        return table(paint, ['ID', 'ISSUER', 'OF', 'MODE', 'SUBJECT', 'CLAIMS'], rows);
      });
    },
  });

  addVerb(noun, outside, {
    usage: `enforce <${kind}> <identity>`,
    summary: 'Let an identity in that only reported.',
    changes: true,
    examples: [`countersign ${kind} identity enforce ${example} ${id} --reason "a week of reports was right"`],
    run: (call) => set(call, false),
  });

  addVerb(noun, outside, {
    usage: `report <${kind}> <identity>`,
    summary: 'Let an identity in no more, and only report it.',
    changes: true,
    examples: [`countersign ${kind} identity report ${example} ${id} --reason "…"`],
    run: (call) => set(call, true),
  });

  addVerb(noun, outside, {
    usage: `delete <${kind}> <identity>`,
    summary: `Take an identity away from ${named}, from the commit on.`,
    changes: true,
    examples: [
      `countersign ${kind} identity delete ${example} ${id} --reason "${workload ? 'the job moved' : 'left the team'}"`,
    ],
    run: async ({ api, args, show }) => {
      const [client, identity] = args as [string, string];
      await (await api()).send('DELETE', pathTo(client, identity));
      show({ id: identity, deleted: true }, () => `deleted ${identity}\n`);
    },
  });
}

/** How long a workload's tokens may live on after what they were given for. */
export function addSetOutlive(parent: Command, outside: Outside): void {
  addVerb<{ seconds: string }>(parent, outside, {
    usage: 'set-outlive <workload> <seconds>',
    summary: "Say how long its tokens may live on after a platform's token that they were given for: 0 to 900.",
    changes: true,
    examples: ['countersign workload set-outlive billing 60 --reason "its jobs start slowly"'],
    run: async ({ api, args, show }) => {
      const members = { max_outlive_seconds: Number(args[1]) };
      const client = (await (await api()).send('PATCH', pathOf('workload', args[0]), members)) as Client;
      show(client, (paint) => clientFields(paint, client));
    },
  });
}
