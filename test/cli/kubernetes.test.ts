// `kubernetes`: a manifest by the cluster's own schemas, whose sidecar starts as it stands there and serves what the application is told.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as apps from 'kubernetes-models/apps/v1';
import t from 'tap';
import { parse } from 'yaml';
import { startCommand } from '../support/command.ts';
import { findLastingPort } from '../support/ports.ts';
import { cli, startStandIn, temporaryFolder } from './stand-in.ts';

const WORKLOAD = `wl_${'b'.repeat(26)}`;
const SERVICE = { COUNTERSIGN_URL: 'https://countersign.internal.example.com' };

// biome-ignore lint/suspicious/noExplicitAny: the schema is checked beside
type Tree = any;

const environmentOf = (container: Tree): Record<string, string> =>
  Object.fromEntries(container.env.map(({ name, value }: { name: string; value: string }) => [name, value]));

t.test('a Deployment that the cluster takes, as YAML and as JSON', async (t) => {
  const argv = ['kubernetes', WORKLOAD, 'prod-eu', '--namespace', 'billing', '--ca-config-map', 'internal-ca'];
  const { code, stdout, stderr } = await cli(argv, SERVICE);
  t.equal(code, 0, stderr);
  t.match(
    stdout,
    /^# Before it, once: kubectl create secret generic workload-bbbbbbbb-countersign --from-file=private-key\.pem=/,
  );
  const manifest = parse(stdout) as Tree;
  t.doesNotThrow(() => new apps.Deployment(manifest).validate());
  t.same((await cli([...argv, '--json'], SERVICE)).json(), manifest);
  const {
    initContainers: [agent],
    containers: [application],
    volumes,
    securityContext,
  } = manifest.spec.template.spec;
  t.match(environmentOf(agent), {
    ...{ ...SERVICE, COUNTERSIGN_CLIENT_ID: WORKLOAD, NODE_EXTRA_CA_CERTS: '/run/countersign-ca/ca.crt' },
    COUNTERSIGN_PRIVATE_KEY_FILE: '/run/secrets/countersign/private-key.pem',
  });
  t.equal(agent.restartPolicy, 'Always');
  t.match(agent.securityContext, { runAsNonRoot: true, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
  t.equal(volumes.find(({ name }: Tree) => name === 'countersign-token').emptyDir.medium, 'Memory');
  for (const { name } of [...agent.volumeMounts, ...application.volumeMounts])
    t.ok(
      volumes.some((volume: Tree) => volume.name === name),
      name,
    );
  t.notOk(JSON.stringify(application).includes('countersign-key'), 'the key is for the agent alone');
  t.equal(securityContext.fsGroup, agent.securityContext.runAsUser, 'whose group reads the token file');
});

t.test('by the service account of the pod: no key anywhere', async (t) => {
  const argv = ['kubernetes', WORKLOAD, 'acme', '--identity', 'service-account', '--service-account', 'billing'];
  t.match(await cli(argv, SERVICE), { code: 2, stdout: '', stderr: /--issuer-url/ });
  const { json, stdout } = await cli([...argv, '--issuer-url', 'https://id.example.com', '--json'], SERVICE);
  const manifest = json() as Tree;
  t.doesNotThrow(() => new apps.Deployment(manifest).validate());
  const {
    initContainers: [agent],
    volumes,
    serviceAccountName,
  } = manifest.spec.template.spec;
  t.equal(serviceAccountName, 'billing');
  const file = environmentOf(agent)['COUNTERSIGN_IDENTITY_TOKEN_FILE'] ?? '';
  const mount = agent.volumeMounts.find(
    ({ mountPath }: Tree) => file.startsWith(`${mountPath}/`) && mountPath !== '/run',
  );
  const [source] = volumes.find(({ name }: Tree) => name === mount.name).projected.sources;
  t.same(source, {
    serviceAccountToken: { path: 'token', audience: 'https://id.example.com', expirationSeconds: 600 },
  });
  t.equal(`${mount.mountPath}/${source.serviceAccountToken.path}`, file);
  t.notMatch(stdout, /private-key|COUNTERSIGN_CLIENT_ID|secretName/);
});

t.test('a workload by its slug is looked up; what is missing is said', async (t) => {
  const { env } = await startStandIn(t, {
    'GET /v1/workloads/billing_eu': { body: { id: WORKLOAD, slug: 'billing_eu' } },
  });
  const { stdout } = await cli(['kubernetes', 'billing_eu', 'acme', '--service-url', SERVICE.COUNTERSIGN_URL], env);
  const { metadata, spec } = parse(stdout) as Tree;
  t.equal(metadata.name, 'billing-eu');
  const [agent] = spec.template.spec.initContainers;
  t.match(environmentOf(agent), { COUNTERSIGN_CLIENT_ID: WORKLOAD, ...SERVICE });
  t.match(await cli(['kubernetes', WORKLOAD, 'acme']), { code: 2, stderr: /--service-url/ });
  t.match(await cli(['kubernetes', WORKLOAD, 'acme', '--service-url', 'http://id.example.com']), {
    code: 2,
    stderr: /in the clear/,
  });
});

t.test(
  'the sidecar starts by its own arguments, its probe sees it, and the application finds what it is told',
  async (t) => {
    const { env } = await startStandIn(t, {
      'POST /v1/connections/acme/credentials': {
        body: { AccessKeyId: 'ASIAX', SecretAccessKey: 's', Token: 't', Expiration: '2099-01-01T00:00:00Z' },
      },
    });
    const { json } = await cli(
      ['kubernetes', WORKLOAD, 'acme', '--port', String(await findLastingPort()), '--json'],
      SERVICE,
    );
    const {
      initContainers: [agent],
      containers: [application],
    } = (json() as Tree).spec.template.spec;
    const run = temporaryFolder(t);
    const here = (path: string): string => path.replace('/run/countersign', run);
    const running = startCommand(t, agent.args.map(here), env);
    while (!running.stdout().includes('TOKEN_FILE')) {
      if (running.child.exitCode !== null) throw new Error(running.stderr());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const [, ...probe] = agent.livenessProbe.exec.command;
    t.equal(spawnSync(process.execPath, probe).status, 0);
    const told = environmentOf(application);
    const authorization = readFileSync(here(told['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] ?? ''), 'utf8');
    const answer = await fetch(told['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '', { headers: { authorization } });
    t.match(await answer.json(), { AccessKeyId: 'ASIAX' });
    running.child.kill();
    await running.ended;
    t.equal(spawnSync(process.execPath, probe).status, 1);
  },
);
