// The registry of connections: create, list, show, update.
import { type Command, Option } from 'commander';
import { addVerb } from './command.ts';
import { type Connection, connectionFields, connectionPath } from './connection-shape.ts';
import { usage } from './failure.ts';
import { collectFrom, given, integer, keyValue, readJson } from './options.ts';
import type { Outside } from './outside.ts';
import { type ListOptions, listOptions, more, readPages } from './pages.ts';
import { table } from './text.ts';

const ADDITIONS = ['s3', 'rds', 'elasticache', 'sns', 'sqs'];

interface SettingOptions {
  name?: string;
  reference?: string;
  tenant?: string;
  label?: Record<string, string>;
  maxSessionSeconds?: number;
  sourceIdentity?: boolean;
  sessionTags?: boolean;
}

interface CreateOptions extends SettingOptions {
  account: string;
  partition?: string;
  region?: string;
  roleName?: string;
  permissionSet: string;
  addition?: string[];
  customPolicy?: string;
  algorithm?: string;
  idempotencyKey?: string;
}

function settingOptions(command: Command): Command {
  return command
    .option('--reference <reference>', "the platform's own name for it, unique: [A-Za-z0-9._-], up to 64")
    .option('--tenant <tenant>', 'whose it is; decides which grants reach it, and needs grants:write')
    .option('--label <name=value>', 'label (again for more); decides as well, and needs grants:write', keyValue)
    .option('--max-session-seconds <n>', 'longest session, 900 to 43200', integer(900, 43_200))
    .option('--source-identity', 'put the exchange id on the session (breaks chaining into roles that do not allow it)')
    .option('--session-tags', 'put session tags on the session');
}

function settings({
  name,
  reference,
  tenant,
  label,
  maxSessionSeconds,
  sourceIdentity,
  sessionTags,
}: SettingOptions): Record<string, unknown> {
  return given({
    name,
    reference,
    tenant,
    labels: label,
    max_session_seconds: maxSessionSeconds,
    source_identity: sourceIdentity,
    session_tags: sessionTags,
  });
}

export function addCreate(connection: Command, outside: Outside): void {
  addVerb<CreateOptions>(connection, outside, {
    usage: 'create',
    summary: 'Register a connection to an AWS account.',
    about: 'Next: `connection link` or `connection template`, and `connection wait` until it is active.',
    changes: true,
    examples: [
      'countersign connection create --name "Acme production" --account 123456789012 --permission-set core --addition s3 --reason "new customer"',
      'countersign connection create --name Acme --account 123456789012 --permission-set read-only --reference acme-prod --label stage=prod --json',
    ],
    options: (command) =>
      settingOptions(
        command
          .requiredOption('--name <name>', 'what people call it')
          .requiredOption('--account <id>', 'the AWS account, 12 digits')
          .addOption(
            new Option('--permission-set <set>', 'what the role may do')
              .choices(['administrator', 'core', 'read-only', 'custom'])
              .makeOptionMandatory(),
          )
          .option(
            '--addition <set>',
            `with core: more services (again for more; choices: ${ADDITIONS.join(', ')})`,
            collectFrom(ADDITIONS),
          )
          .option('--custom-policy <file>', 'with custom: the JSON policy')
          .addOption(
            new Option('--partition <partition>', 'AWS partition (default: aws)').choices([
              'aws',
              'aws-cn',
              'aws-us-gov',
              'aws-eusc',
            ]),
          )
          .option('--region <region>', 'whose STS is asked (default: us-east-1)')
          .option('--role-name <name>', 'name of the role (default: one of its own)')
          .addOption(
            new Option('--algorithm <algorithm>', 'of its web identity tokens (default: ES256)').choices([
              'ES256',
              'RS256',
            ]),
          ),
      ).option('--idempotency-key <key>', 'makes the command safe to run again'),
    run: async ({ api, options, show }) => {
      const aws = given({
        account_id: options.account,
        partition: options.partition,
        region: options.region,
        role_name: options.roleName,
        permission_set: options.permissionSet,
        additions: options.addition,
        custom_policy: options.customPolicy === undefined ? undefined : readJson(options.customPolicy),
      });
      const body = { ...settings(options), ...given({ algorithm: options.algorithm }), aws };
      const created = (await (await api()).create('/v1/connections', body, options.idempotencyKey)) as Connection;
      show(created, (paint) => connectionFields(paint, created));
    },
  });
}

export function addListAndShow(connection: Command, outside: Outside): void {
  addVerb<ListOptions & { tenant?: string; label?: string; state?: string }>(connection, outside, {
    usage: 'list',
    summary: 'List connections: all of them, or those that you may use.',
    about: 'With connections:read all are listed; without it a workload sees those that its grants select.',
    examples: [
      'countersign connection list --state degraded',
      'countersign connection list --label stage=prod --all --json',
    ],
    options: (command) =>
      listOptions(
        command
          .option('--tenant <tenant>', 'of this tenant')
          .option('--label <name=value>', 'with this label')
          .addOption(
            new Option('--state <state>', 'in this state').choices([
              'pending',
              'verifying',
              'active',
              'degraded',
              'unsafe',
              'paused',
              'disconnected',
            ]),
          ),
      ),
    run: async ({ api, options, show }) => {
      const { tenant, label, state } = options;
      const page = await readPages<Connection>(await api(), '/v1/connections', { tenant, label, state }, options);
      show(page, (paint) => {
        const rows = page.items.map((item) => [
          item.id,
          item.reference,
          item.name,
          item.tenant,
          item.aws.account_id,
          item.state,
          item.state_reason,
        ]);
        return table(paint, ['ID', 'REFERENCE', 'NAME', 'TENANT', 'ACCOUNT', 'STATE', 'WHY'], rows) + more(page);
      });
    },
  });
  addVerb(connection, outside, {
    usage: 'show <connection>',
    summary: 'Show one connection, by id or reference.',
    examples: ['countersign connection show acme-prod'],
    run: async ({ api, args, show }) => {
      const found = (await (await api()).get(connectionPath(args[0] as string))) as Connection;
      show(found, (paint) => connectionFields(paint, found));
    },
  });
}

export function addUpdate(connection: Command, outside: Outside): void {
  addVerb<SettingOptions>(connection, outside, {
    usage: 'update <connection>',
    summary: 'Change settings of a connection; what is not named stays.',
    about: 'Labels are given whole: those that are not named are taken away.',
    changes: true,
    examples: ['countersign connection update acme-prod --name "Acme (production)" --no-source-identity --reason "…"'],
    options: (command) =>
      settingOptions(command.option('--name <name>', 'what people call it'))
        .option('--no-source-identity', 'no longer')
        .option('--no-session-tags', 'no longer'),
    run: async ({ api, args, options, show }) => {
      const body = settings(options);
      if (Object.keys(body).length === 0) throw usage('Nothing was named to change.');
      const updated = (await (await api()).send('PATCH', connectionPath(args[0] as string), body)) as Connection;
      show(updated, (paint) => connectionFields(paint, updated));
    },
  });
}
