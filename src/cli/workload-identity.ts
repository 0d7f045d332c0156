// `countersign workload identity`: what its platform calls a workload, and how long a token may outlive the platform's.
import { type Command, InvalidArgumentError } from 'commander';
import { segment } from './api.ts';
import type { Call } from './call.ts';
import { type Client, clientFields, pathOf } from './client.ts';
import { addNoun, addVerb } from './command.ts';
import { given } from './options.ts';
import type { Outside } from './outside.ts';
import { fields, type Paint, table } from './text.ts';

interface Identity {
  id: string;
  trusted_issuer: string;
  subject: string;
  claims: Record<string, string | number | boolean>;
  report_only: boolean;
  warnings?: { code: string; detail: string }[];
}

interface AddOptions {
  issuer: string;
  subject: string;
  claim?: Record<string, string>;
  reportOnly?: true;
  allowWildcard?: true;
  idempotencyKey?: string;
}

const identitiesOf = (workload: string | undefined): string => `${pathOf('workload', workload)}/identities`;

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

async function set(call: Call<object>, report_only: boolean): Promise<void> {
  const [workload, identity] = call.args;
  const path = `${identitiesOf(workload)}/${segment(identity as string)}`;
  const updated = (await (await call.api()).send('PATCH', path, { report_only })) as Identity;
  call.show(updated, (paint) => shown(paint, updated));
}

export function addIdentityVerbs(parent: Command, outside: Outside): void {
  const noun = addNoun(parent, 'identity', "identities that a workload's platform gives it");

  addVerb<AddOptions>(noun, outside, {
    usage: 'add <workload>',
    summary: 'Give a workload an identity of a trusted issuer.',
    about:
      'Subject and claims match exactly. A claim within an object is named by JSON Pointer: /kubernetes.io/serviceaccount/uid.',
    changes: true,
    examples: [
      'countersign workload identity add billing --issuer cluster-a --subject system:serviceaccount:payments:billing --claim /kubernetes.io/serviceaccount/uid=… --reason "…"',
      'countersign workload identity add deploys --issuer github --subject "repo:acme/app:*" --allow-wildcard --claim repository_id=74 --claim repository_owner_id=65 --reason "every branch deploys"',
    ],
    options: (command) =>
      command
        .requiredOption('--issuer <issuer>', 'trusted issuer, by id or name')
        .requiredOption('--subject <sub>', "the token's sub")
        .option('--claim <name=value>', 'that it must carry, as text (again for more)', claim)
        .option('--report-only', 'lets nobody in: what it would match is on record')
        .option('--allow-wildcard', 'the subject ends with a * behind a colon or a slash')
        .option('--idempotency-key <key>', 'makes the command safe to run again'),
    run: async ({ api, args, options, show }) => {
      const body = given({
        ...{ trusted_issuer: options.issuer, subject: options.subject, claims: options.claim },
        ...{ report_only: options.reportOnly, allow_wildcard: options.allowWildcard },
      });
      const added = (await (await api()).create(identitiesOf(args[0]), body, options.idempotencyKey)) as Identity;
      show(added, (paint) => shown(paint, added));
    },
  });

  addVerb(noun, outside, {
    usage: 'list <workload>',
    summary: 'List the identities of a workload.',
    examples: ['countersign workload identity list billing'],
    run: async ({ api, args, show }) => {
      const answer = (await (await api()).get(identitiesOf(args[0]))) as { items: Identity[] };
      show(answer, (paint) => {
        const rows = answer.items.map(({ id, trusted_issuer, subject, claims, report_only }) => [
          ...[id, trusted_issuer, report_only ? 'reports' : 'lets in', subject, JSON.stringify(claims)],
        ]);
        return table(paint, ['ID', 'ISSUER', 'MODE', 'SUBJECT', 'CLAIMS'], rows);
      });
    },
  });

  addVerb(noun, outside, {
    usage: 'enforce <workload> <identity>',
    summary: 'Let an identity in that only reported.',
    changes: true,
    examples: ['countersign workload identity enforce billing wi_… --reason "a week of reports was right"'],
    run: (call) => set(call, false),
  });

  addVerb(noun, outside, {
    usage: 'report <workload> <identity>',
    summary: 'Let an identity in no more, and only report it.',
    changes: true,
    examples: ['countersign workload identity report billing wi_… --reason "…"'],
    run: (call) => set(call, true),
  });

  addVerb(noun, outside, {
    usage: 'delete <workload> <identity>',
    summary: 'Take an identity away from a workload, from the commit on.',
    changes: true,
    examples: ['countersign workload identity delete billing wi_… --reason "the job moved"'],
    run: async ({ api, args, show }) => {
      const [workload, identity] = args;
      await (await api()).send('DELETE', `${identitiesOf(workload)}/${segment(identity as string)}`);
      show({ id: identity, deleted: true }, () => `deleted ${identity}\n`);
    },
  });

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
