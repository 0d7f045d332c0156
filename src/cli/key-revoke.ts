// `countersign key revoke`: one key out of the JWKS, or every key of a ring where the standby may be burnt too.
import type { Command } from 'commander';
import { segment } from './api.ts';
import { addVerb } from './command.ts';
import { usage } from './failure.ts';
import { algorithmOption } from './key-hold.ts';
import { given, when } from './options.ts';
import type { Outside } from './outside.ts';
import { clean, fields } from './text.ts';

interface RevokeOptions {
  acceptOutage?: true;
  allBurnt?: true;
  publishedBefore?: string;
  algorithm?: string;
}

export function addRevokeCommand(key: Command, outside: Outside): void {
  addVerb<RevokeOptions>(key, outside, {
    usage: 'revoke <issuer> [kid]',
    summary: 'Take a key out of the JWKS, or every key of a ring: tokens that they signed die with them.',
    about:
      "Where the next key is not known to every verifier yet, this is refused until --accept-outage is given:\ncallers may then be refused for a while. With --all-burnt a fresh key signs, because whoever has one private half may\nhave the standby's too (the KEK, the memory of a process). `countersign incident` does this with all that belongs to it.",
    changes: true,
    examples: [
      'countersign key revoke platform <kid> --reason "laptop with a dump was stolen"',
      'countersign key revoke is_… <kid> --accept-outage --reason "…"',
      'countersign key revoke platform --all-burnt --accept-outage --reason "core dump uploaded"',
    ],
    options: (command) =>
      command
        .option('--accept-outage', 'even if callers are refused for a while')
        .option('--all-burnt', 'every published key of the ring, the standby too')
        .option('--published-before <time>', 'with --all-burnt: what is younger stays', when(outside.now))
        .addOption(algorithmOption()),
    run: async ({ api, args, options, show }) => {
      const [issuer, kid] = args as [string, string | undefined];
      const { allBurnt, publishedBefore, algorithm, acceptOutage } = options;
      if ((kid === undefined) !== (allBurnt === true)) throw usage('Name one key, or give --all-burnt.');
      if (kid !== undefined && (publishedBefore !== undefined || algorithm !== undefined))
        throw usage('--published-before and --algorithm go with --all-burnt.');
      const body = given({
        ...{ kid, all_burnt: allBurnt, published_before: publishedBefore, algorithm },
        accept_outage: acceptOutage,
      });
      const revoked = await (await api()).send('POST', `/v1/keys/${segment(issuer)}/revoke`, body);
      const { warnings = [], ...rest } = revoked as { warnings?: string[] };
      show(revoked, (paint) => {
        const told = warnings.map((warning) => `${paint('yellow', 'warning:')} ${clean(warning)}\n`);
        return fields(paint, Object.entries(rest)) + told.join('');
      });
    },
  });
}
