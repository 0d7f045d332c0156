// `countersign grant`: which workload may use which connections, for what purpose, within what limits.
import type { Command } from 'commander';
import { segment } from './api.ts';
import { addNoun, addVerb } from './command.ts';
import { usage } from './failure.ts';
import { collect, given, integer, keyValue, readJson } from './options.ts';
import type { Outside } from './outside.ts';
import { listOptions, type ListOptions, more, readPages } from './pages.ts';
import { fields, type Paint, table, type Warning, warned } from './text.ts';

interface Selector {
  connection?: string;
  label?: string;
  tenant?: string;
  all?: true;
}

interface Grant {
  id: string;
  workload: string;
  selector: Selector;
  purpose: string;
  max_session_seconds: number;
  warnings?: Warning[];
}

interface LimitOptions {
  maxSessionSeconds?: number;
  sessionPolicy?: string | false;
  policyArn?: string[] | false;
  tag?: Record<string, string>;
}

interface CreateOptions extends LimitOptions, Selector {
  workload: string;
  purpose?: string;
  idempotencyKey?: string;
}

function limitOptions(command: Command): Command {
  return command
    .option('--max-session-seconds <n>', 'longest session, 900 to 43200', integer(900, 43_200))
    .option('--session-policy <file>', 'JSON policy that every session is limited by')
    .option('--policy-arn <arn>', 'managed policy that every session is limited by (again for more)', collect)
    .option('--tag <name=value>', 'session tag (again for more)', keyValue);
}

/** The members of a body; `false` stands for --no-…, which clears. */
function limits({ maxSessionSeconds, sessionPolicy, policyArn, tag }: LimitOptions): Record<string, unknown> {
  return given({
    max_session_seconds: maxSessionSeconds,
    session_policy: sessionPolicy === undefined ? undefined : sessionPolicy === false ? null : readJson(sessionPolicy),
    policy_arns: policyArn === false ? [] : policyArn,
    tags: tag,
  });
}

function selectorOf({ connection, label, tenant, all }: Selector): Record<string, unknown> {
  const selector = given({ connection, label, tenant, all });
  if (Object.keys(selector).length !== 1)
    throw usage('A grant has one selector: --connection, --label, --tenant, or --all.');
  return selector;
}

/** The grant, and under it what is wrong with its limits. */
function shown(paint: Paint, { warnings = [], ...grant }: Grant): string {
  return fields(paint, Object.entries(grant)) + warned(paint, warnings);
}

const selectorText = (selector: Selector): string =>
  selector.all
    ? 'all'
    : Object.entries(selector)
        .map(([kind, value]) => `${kind}:${value}`)
        .join(' ');

export function addGrantCommands(program: Command, outside: Outside): void {
  const grant = addNoun(program, 'grant', 'which workload may use which connections, and within what limits');

  addVerb<CreateOptions>(grant, outside, {
    usage: 'create',
    summary: 'Let a workload use connections.',
    about:
      'The most particular grant decides: a connection before a label, before a tenant, before all. Its limits then apply.',
    changes: true,
    examples: [
      'countersign grant create --workload billing --connection cn_… --reason "cost report"',
      'countersign grant create --workload deploys --label stage=prod --purpose deploy --max-session-seconds 1800 --session-policy limits.json',
    ],
    options: (command) =>
      limitOptions(
        command
          .requiredOption('--workload <workload>', 'id or slug')
          .option('--connection <id>', 'this connection')
          .option('--label <name=value>', 'connections that carry this label')
          .option('--tenant <tenant>', 'connections of this tenant')
          .option('--all', 'every connection')
          .option('--purpose <purpose>', "what for: callers name it to choose this grant (default: 'default')"),
      ).option('--idempotency-key <key>', 'makes the command safe to run again'),
    run: async ({ api, options, show }) => {
      const body = {
        workload: options.workload,
        selector: selectorOf(options),
        ...given({ purpose: options.purpose }),
        ...limits(options),
      };
      const created = (await (await api()).create('/v1/grants', body, options.idempotencyKey)) as Grant;
      show(created, (paint) => shown(paint, created));
    },
  });

  addVerb<ListOptions & { workload?: string }>(grant, outside, {
    usage: 'list',
    summary: 'List grants.',
    examples: ['countersign grant list --workload billing'],
    options: (command) => listOptions(command.option('--workload <workload>', "this workload's, by id or slug")),
    run: async ({ api, options, show }) => {
      const page = await readPages<Grant>(await api(), '/v1/grants', { workload: options.workload }, options);
      show(page, (paint) => {
        const rows = page.items.map((item) => [
          item.id,
          item.workload,
          selectorText(item.selector),
          item.purpose,
          item.max_session_seconds,
        ]);
        return table(paint, ['ID', 'WORKLOAD', 'SELECTOR', 'PURPOSE', 'SECONDS'], rows) + more(page);
      });
    },
  });

  addVerb(grant, outside, {
    usage: 'show <grant>',
    summary: 'Show one grant.',
    examples: ['countersign grant show gr_…'],
    run: async ({ api, args, show }) => {
      const found = (await (await api()).get(`/v1/grants/${segment(args[0] as string)}`)) as Grant;
      show(found, (paint) => shown(paint, found));
    },
  });

  addVerb<LimitOptions>(grant, outside, {
    usage: 'update <grant>',
    summary: 'Change the limits of a grant; what is not named stays.',
    changes: true,
    examples: ['countersign grant update gr_… --max-session-seconds 900 --no-session-policy --reason "…"'],
    options: (command) =>
      limitOptions(command)
        .option('--no-session-policy', 'no session policy any more')
        .option('--no-policy-arn', 'no managed policies any more'),
    run: async ({ api, args, options, show }) => {
      const body = limits(options);
      if (Object.keys(body).length === 0) throw usage('Nothing was named to change.');
      const updated = (await (await api()).send('PATCH', `/v1/grants/${segment(args[0] as string)}`, body)) as Grant;
      show(updated, (paint) => shown(paint, updated));
    },
  });

  addVerb(grant, outside, {
    usage: 'delete <grant>',
    summary: 'Take a grant back: no new credentials by it from the commit on.',
    changes: true,
    examples: ['countersign grant delete gr_… --reason "the report moved"'],
    run: async ({ api, args, show }) => {
      const id = args[0] as string;
      await (await api()).send('DELETE', `/v1/grants/${segment(id)}`);
      show({ id, deleted: true }, () => `deleted ${id}\n`);
    },
  });
}
