// The files under deploy/, read as what runs them reads them: the environment, the ports and the mounts of each process.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { makeCertificate } from '../support/certificates.ts';

export const ROOT = join(import.meta.dirname, '../..');
export const DEPLOY = join(ROOT, 'deploy');

export type Environment = Record<string, string>;

// Members of files of others' formats: their schemas are checked beside.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Tree = any;

export const read = (file: string): string => readFileSync(join(DEPLOY, file), 'utf8');

/** `ENV` of the image's last stage. */
export function imageEnvironment(): Environment {
  const line = /^ENV (.+)$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))?.[1] ?? '';
  return Object.fromEntries(line.split(' ').map((pair) => pair.split('=', 2) as [string, string]));
}

const EXAMPLE: Environment = {
  ISSUER_URL: 'https://id.example.com',
  INTERNAL_URL: 'https://countersign.internal.example.com',
};

export function readCompose(): Tree {
  const text = read('compose/compose.yaml').replaceAll(
    /\$\{(\w+):[-?]([^}]*)\}/g,
    (_all, name: string) => EXAMPLE[name] ?? "''",
  );
  return parse(text, { merge: true });
}

/** Every object of every manifest, by `Kind/name`. */
export function readManifests(): Map<string, Tree> {
  const { resources } = parse(read('kubernetes/kustomization.yaml')) as { resources: string[] };
  const objects = resources.flatMap((file) =>
    parseAllDocuments(read(`kubernetes/${file}`)).map((document) => document.toJS() as Tree),
  );
  return new Map(objects.map((object) => [`${object.kind}/${object.metadata.name}`, object]));
}

/** Lines `NAME=value` of a unit or of a file of variables, with the unit's own folders for its specifiers. */
export function readUnit(unit: string, files: readonly string[]): Environment {
  const specifiers: Environment = { d: '/run/credentials/unit', S: '/var/lib', t: '/run' };
  const assignments = [
    ...files.flatMap((file) => read(file).split('\n')),
    ...[...read(unit).matchAll(/^Environment=(.+)$/gm)].map(([, pair]) => pair ?? ''),
  ].filter((line) => /^[A-Z]/.test(line));
  return Object.fromEntries(
    assignments.map((line) => {
      const [name = '', ...value] = line.split('=');
      return [name, value.join('=').replaceAll(/%([dSt])/g, (_all, letter: string) => specifiers[letter] ?? '')];
    }),
  );
}

/** Of a container: the image's, those of its config maps, and its own. */
export function containerEnvironment(container: Tree, manifests: Map<string, Tree>): Environment {
  return {
    ...imageEnvironment(),
    ...Object.assign(
      {},
      ...(container.envFrom ?? []).map((from: Tree) => manifests.get(`ConfigMap/${from.configMapRef.name}`)?.data),
    ),
    ...Object.fromEntries(container.env.map(({ name, value }: Tree) => [name, value])),
  };
}

/** The files that an environment names, made for real in a folder, so that what reads them can; and what removes it. */
export function withFiles(environment: Environment): { env: Environment; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-deploy-'));
  const { cert, key } = makeCertificate({ commonName: 'internal', names: ['countersign.internal.example.com'] });
  const contents: Environment = {
    INTERNAL_TLS_CERT_FILE: cert,
    INTERNAL_TLS_KEY_FILE: key,
    KEY_ENCRYPTION_KEY_FILE: randomBytes(32).toString('base64'),
  };
  const env = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => {
      if (!name.endsWith('_FILE')) return [name, value];
      const file = join(folder, name);
      writeFileSync(file, contents[name] ?? randomBytes(16).toString('hex'), { mode: 0o600 });
      return [name, file];
    }),
  );
  return { env, remove: () => rmSync(folder, { recursive: true }) };
}
