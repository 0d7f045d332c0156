// `countersign kubernetes`: a manifest with the agent as a sidecar, for a workload that runs in a cluster.
import { Option, type Command } from 'commander';
import { stringify } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { AGENT_PORT } from './agent.ts';
import { segment } from './api.ts';
import type { Call } from './call.ts';
import { type Client, pathOf } from './client.ts';
import { addVerb } from './command.ts';
import { usage } from './failure.ts';
import { baseUrl } from './http.ts';
import {
  buildSidecarManifest,
  keyInSecret,
  type PodIdentity,
  secretCommand,
  serviceAccount,
} from './kubernetes-manifest.ts';
import { integer } from './options.ts';
import type { Outside } from './outside.ts';

interface KubernetesOptions {
  identity: 'key' | 'service-account';
  secret?: string;
  serviceAccount?: string;
  issuerUrl?: string;
  image: string;
  namespace?: string;
  port: number;
  serviceUrl?: string;
  caConfigMap?: string;
}

interface Named {
  id: string;
  /** For objects of the cluster: a DNS label. */
  name: string;
}

const label = (text: string): string => text.replaceAll('_', '-');

/** By id nothing is asked, and its objects have a name of their own; a slug is looked up. */
async function findWorkload({ api }: Call<KubernetesOptions>, reference: string): Promise<Named> {
  if (/^wl_[a-z2-7]{26}$/.test(reference)) return { id: reference, name: `workload-${reference.slice(3, 11)}` };
  const { id, slug } = (await (await api()).get(`${pathOf('workload')}/${segment(reference)}`)) as Client;
  return { id, name: label(slug) };
}

/** How the pod proves who it is, and what to do before the manifest is applied. */
const IDENTITIES: Record<
  KubernetesOptions['identity'],
  (workload: Named, options: KubernetesOptions) => { identity: PodIdentity; first: string[] }
> = {
  key: ({ id, name }, { secret = `${name}-countersign` }) => ({
    identity: keyInSecret(id, secret),
    first: [`Before it, once: ${secretCommand(secret)}`],
  }),
  'service-account': ({ name }, { serviceAccount: account = name, issuerUrl }) => {
    if (issuerUrl === undefined)
      throw usage(
        "A service account's token is made for the service's issuer, which is not known.",
        'Give --issuer-url, as ISSUER_URL of the service has it.',
      );
    // Nothing is taken off it: the audience must equal ISSUER_URL.
    baseUrl(issuerUrl, '--issuer-url');
    return {
      identity: serviceAccount(account, issuerUrl),
      first: [
        `Before it, once: trust the cluster, and say that service account ${account} is this workload (docs/workload-identity.md).`,
      ],
    };
  },
};

function urlOf({ outside, options }: Call<KubernetesOptions>): string {
  const [given, name] =
    options.serviceUrl === undefined
      ? [outside.env.COUNTERSIGN_URL, 'COUNTERSIGN_URL']
      : [options.serviceUrl, '--service-url'];
  if (!given)
    throw usage('Where the pod reaches the service is not known.', 'Give --service-url, or set COUNTERSIGN_URL.');
  return baseUrl(given, name);
}

export function addKubernetesCommand(program: Command, outside: Outside): void {
  addVerb<KubernetesOptions>(program, outside, {
    usage: 'kubernetes <workload> <connection>',
    summary: 'Print a manifest with the agent as a sidecar.',
    about:
      'A Deployment to merge with yours: the sidecar, the shared token, the two variables. By slug, the workload is looked up.',
    examples: [
      'countersign kubernetes billing prod-eu --service-url https://countersign.internal.example.com > billing.yaml',
      'countersign kubernetes billing prod-eu --identity service-account --issuer-url https://id.example.com',
      'countersign kubernetes wl_… cn_… --image registry.example.com/countersign:0.1.0 --ca-config-map internal-ca',
    ],
    options: (command) =>
      command
        .addOption(
          new Option(
            '--identity <kind>',
            'how the pod proves who it is: by a key in a Secret, or by its service account',
          )
            .choices(Object.keys(IDENTITIES))
            .default('key'),
        )
        .option('--secret <name>', "the Secret with the workload's private-key.pem (default: <slug>-countersign)")
        .option('--service-account <name>', 'of the pod (default: <slug>)')
        .option('--issuer-url <url>', 'ISSUER_URL of the service, for the token of the service account')
        .option('--image <image>', "the service's image", `countersign:${packageJson.version}`)
        .option('--namespace <name>', 'of the Deployment')
        .option('--port <n>', 'of the agent, on the loopback of the pod', integer(1, 65_535), AGENT_PORT)
        .option('--service-url <url>', 'internal URL of the service as the pod reaches it (default: $COUNTERSIGN_URL)')
        .option(
          '--ca-config-map <name>',
          "a ConfigMap with the private authority of the service's certificate, as ca.crt",
        ),
    run: async (call) => {
      const { args, options, show } = call;
      const [reference = '', connection = ''] = args;
      const url = urlOf(call);
      const workload = await findWorkload(call, reference);
      const { identity, first } = IDENTITIES[options.identity](workload, options);
      const { image, namespace, port, caConfigMap } = options;
      const { name } = workload;
      const manifest = buildSidecarManifest({
        ...{ name, namespace, image, url, connection, port, identity, caConfigMap },
      });
      const comments = [
        ...first,
        'The application may run as any user. Its SDKs need the two variables and the mount.',
      ];
      show(
        manifest,
        () =>
          `${comments.map((line) => `# ${line}\n`).join('')}${stringify(manifest, { lineWidth: 0, aliasDuplicateObjects: false })}`,
      );
    },
  });
}
