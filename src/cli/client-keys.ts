// `workload key` and `administrator key`: register a public key, make one, remove one.
import type { Command } from 'commander';
import { Option } from 'commander';
import { type Api, segment } from './api.ts';
import type { Call } from './call.ts';
import { type ClientKey, keyTable, type Kind, pathOf, withNewKey } from './client.ts';
import { addNoun, addVerb } from './command.ts';
import { usage } from './failure.ts';
import { type Algorithm, generateKeyFile, type PublicJwk, readPublicJwk, thumbprint } from './jwk.ts';
import type { Outside } from './outside.ts';

interface KeyOptions {
  expiresAt?: string;
}

interface GenerateOptions extends KeyOptions {
  out: string;
  alg: Algorithm;
}

const expiry = (text: string): string => {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw usage('--expires-at must be a time such as 2027-01-31T00:00:00Z.');
  return new Date(time).toISOString();
};

export function addKeyVerbs(parent: Command, outside: Outside, kind: Kind): void {
  const key = addNoun(
    parent,
    'key',
    `the public keys by which a${kind === 'workload' ? '' : 'n'} ${kind} proves who it is`,
  );
  const example = kind === 'workload' ? 'billing' : 'ana';

  const register = async (call: Call<KeyOptions>, api: Api, jwk: PublicJwk): Promise<void> => {
    const [client] = call.args as [string];
    const { expiresAt } = call.options;
    const added = (await api.create(`${pathOf(kind, client)}/keys`, {
      jwk,
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    })) as ClientKey;
    call.show(added, (paint) => keyTable(paint, [added]));
  };

  addVerb<KeyOptions>(key, outside, {
    usage: `add <${kind}> <file>`,
    summary: 'Register a public key (JWK or PEM).',
    changes: true,
    examples: [`countersign ${kind} key add ${example} ${example}.jwk --expires-at 2027-01-31T00:00:00Z --reason "…"`],
    options: (command) => command.option('--expires-at <time>', 'when it stops; never, unless given', expiry),
    run: async (call) => {
      const jwk = readPublicJwk(call.args[1] as string);
      await register(call, await call.api(), jwk);
    },
  });

  addVerb<GenerateOptions>(key, outside, {
    usage: `generate [${kind}]`,
    summary: 'Make a key pair; register its public half where one is named.',
    about: `The private half is written to --out (PKCS #8, mode 0600, never over a file) and nowhere else.\nWithout a${kind === 'workload' ? '' : 'n'} ${kind}, nothing is sent: the public JWK is printed, for \`${kind} key add\` or \`${kind} create --key\`.`,
    changes: true,
    examples: [
      `countersign ${kind} key generate --out ${example}.pem > ${example}.jwk`,
      `countersign ${kind} key generate ${example} --out ${example}-2.pem --reason "yearly renewal"`,
    ],
    options: (command) =>
      command
        .requiredOption('--out <file>', 'where the private key is written')
        .addOption(new Option('--alg <algorithm>', 'algorithm').choices(['ES256', 'RS256']).default('ES256'))
        .option('--expires-at <time>', 'when it stops; never, unless given', expiry),
    run: async (call) => {
      const { out, alg } = call.options;
      if (call.args[0] !== undefined) {
        // First: who gets no token leaves no file.
        const api = await call.api();
        return await withNewKey(call, out, alg, (jwk) => register(call, api, jwk));
      }
      const jwk = await generateKeyFile(out, alg);
      const printed = { ...jwk, kid: thumbprint(jwk), alg };
      call.show(printed, () => `${JSON.stringify(printed)}\n`);
      call.note(`The private key is in ${out}; nothing was sent.`);
    },
  });

  addVerb(key, outside, {
    usage: `remove <${kind}> <kid>`,
    summary: 'Remove a key: what it signs is refused from the commit on.',
    changes: true,
    examples: [`countersign ${kind} key remove ${example} <kid> --reason "…"`],
    run: async (call) => {
      const [client, kid] = call.args as [string, string];
      await (await call.api()).send('DELETE', `${pathOf(kind, client)}/keys/${segment(kid)}`);
      call.show({ kid, removed: true }, () => `removed ${kid}\n`);
    },
  });
}
