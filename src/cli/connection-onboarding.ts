// What a customer is given to connect their account: the link, the template.
import { type Command, Option } from 'commander';
import { writeFileSync } from 'node:fs';
import { addVerb } from './command.ts';
import { connectionPath } from './connection-shape.ts';
import { Failure } from './failure.ts';
import type { Outside } from './outside.ts';
import { fields } from './text.ts';

interface TemplateOptions {
  format?: 'yaml' | 'json';
  out?: string;
}

export function addOnboardingVerbs(connection: Command, outside: Outside): void {
  addVerb(connection, outside, {
    usage: 'link <connection>',
    summary: 'Print the link by which the account owner creates the stack.',
    about: 'From then on it is verified, until it works.',
    examples: ['countersign connection link acme-prod'],
    options: (command) => command.option('--reason <text>', 'why, for the audit log'),
    run: async ({ api, args, show, note }) => {
      const link = (await (await api()).get(`${connectionPath(args[0] as string)}/link`)) as {
        url: string;
        [member: string]: unknown;
      };
      const { url, ...others } = link;
      show(link, () => `${url}\n`);
      note(fields((_format, text) => text, Object.entries(others)).trimEnd());
    },
  });
  addVerb<TemplateOptions>(connection, outside, {
    usage: 'template [connection]',
    summary: 'Print the CloudFormation template, with the values of a connection in it.',
    about:
      'With a connection: it is verified from then on, until it works. Without: the parameterised one, to be published at TEMPLATE_URL.',
    examples: [
      'countersign connection template acme-prod --out acme.yaml && aws cloudformation deploy --template-file acme.yaml --stack-name countersign --capabilities CAPABILITY_NAMED_IAM',
      'countersign connection template --out template.yaml    # to publish at TEMPLATE_URL',
    ],
    options: (command) =>
      command
        .addOption(new Option('--format <format>', 'yaml, or json').choices(['yaml', 'json']))
        .option('--out <file>', 'write it here')
        .option('--reason <text>', 'why, for the audit log'),
    run: async ({ api, args, options, note }) => {
      const path = args[0] === undefined ? '/v1/template' : `${connectionPath(args[0])}/template`;
      const format = options.format ?? (options.json ? 'json' : 'yaml');
      const text = await (await api()).getText(path, { format });
      const whole = text.endsWith('\n') ? text : `${text}\n`;
      if (options.out === undefined) return void outside.stdout.write(whole);
      try {
        writeFileSync(options.out, whole);
      } catch (error) {
        throw new Failure(
          'file_unwritable',
          `${options.out} cannot be written: ${(error as NodeJS.ErrnoException).code ?? 'unknown fault'}.`,
        );
      }
      note(`Written to ${options.out}.`);
    },
  });
}
