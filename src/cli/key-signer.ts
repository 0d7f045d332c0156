// `countersign key signer`: where the private halves of a ring are, and where the next will be made.
import type { Command } from 'commander';
import { segment } from './api.ts';
import { addVerb } from './command.ts';
import { usage } from './failure.ts';
import { given } from './options.ts';
import { algorithmOption } from './key-hold.ts';
import type { Outside } from './outside.ts';
import { fields, type Paint, table } from './text.ts';

interface State {
  ring: string;
  signer: string;
  region?: string;
  keys: { kid: string; signer: string; name?: string }[];
  changed?: boolean;
}

function text(paint: Paint, { keys, ...ring }: State): string {
  const rows = keys.map(({ kid, signer, name }) => [kid, signer, name ?? '']);
  return `${fields(paint, Object.entries(ring))}\n${table(paint, ['KID', 'PRIVATE HALF', 'NAME THERE'], rows)}`;
}

export function addSignerCommand(key: Command, outside: Outside): void {
  addVerb<{ region?: string; algorithm?: string; reason?: string }>(key, outside, {
    usage: 'signer [issuer] [signer]',
    summary: 'Show where the private halves of a ring are; or have the next ones made there: local or aws-kms.',
    about:
      'A ring moves by rotations: the next one makes its standby there, and the one after lets it sign. A key of AWS KMS\ncosts money by the month and by the signature: docs/security-team.md.',
    changes: true,
    examples: [
      'countersign key signer platform',
      'countersign key signer platform aws-kms --region eu-central-1 --reason "…"',
      'countersign key signer is_… local --reason "…"',
    ],
    options: (command) => command.option('--region <region>', 'of AWS, with aws-kms').addOption(algorithmOption()),
    run: async ({ api, args, options, show }) => {
      const [issuer = 'platform', signer] = args;
      const path = `/v1/keys/${segment(issuer)}/signer`;
      const { region, algorithm } = options;
      if (signer === undefined) {
        const state = (await (await api()).get(path, given({ algorithm }) as Record<string, string>)) as State;
        return show(state, (paint) => text(paint, state));
      }
      if (!['local', 'aws-kms'].includes(signer)) throw usage(`${signer} is no signer.`, 'It is local, or aws-kms.');
      if (options.reason === undefined)
        throw usage('--reason is missing.', 'Add --reason "…"; it is kept in the audit log.');
      const body = given({ signer: signer.replace('-', '_'), region, algorithm });
      const state = (await (await api()).send('PUT', path, body)) as State;
      show(state, (paint) => text(paint, state));
    },
  });
}
