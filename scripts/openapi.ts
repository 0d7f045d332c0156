// `npm run openapi`: openapi.yaml from the schemas of the routes themselves; `--check` fails where the committed file differs.
import { pino } from 'pino';
import { stringify } from 'yaml';
import { type AppDeps, buildListeners } from '../src/app.ts';
import { settleGenerated } from './generated.ts';
import { type Document, shapeDocument } from './openapi-shape.ts';

const HEADER = '# Generated from the schemas of the routes by `npm run openapi`: change those, not this.\n';

/** What routes are given when nobody will call them: whatever they take from it at registration does nothing. */
function standIn(): never {
  const nothing: unknown = new Proxy(() => nothing, {
    get: (_target, name) => (name === 'then' || typeof name === 'symbol' ? undefined : nothing),
  });
  return nothing as never;
}

const URLS = { issuerUrl: 'https://id.example.com', internalUrl: 'https://countersign.internal.example.com' };

const dependencies: AppDeps = {
  issuers: { urls: URLS, view: standIn() },
  oauth: standIn(),
  credentials: standIn(),
  workloads: standIn(),
  trustedIssuers: standIn(),
  identities: standIn(),
  administrators: standIn(),
  connections: standIn(),
  grants: standIn(),
  keys: standIn(),
  keks: standIn(),
  signers: standIn(),
  publishing: standIn(),
  status: standIn(),
  seal: standIn(),
  host: standIn(),
  refusals: standIn(),
  limits: standIn(),
  readiness: standIn(),
  metrics: standIn(),
  authenticate: standIn(),
  apiPage: false,
};

/** The document of both listeners: as one, they carry every route. */
export async function buildDocument(): Promise<Document> {
  const options = { hosts: new Set<string>(), logger: pino({ level: 'silent' }) };
  const { internal } = await buildListeners(dependencies, {
    ...{ shared: true, public: options, internal: options, host: options },
  });
  await internal.ready();
  const document = structuredClone(internal.swagger()) as unknown as Document;
  await internal.close();
  return shapeDocument(document);
}

export function writeDocument(document: Document): string {
  return HEADER + stringify(document, { aliasDuplicateObjects: false, lineWidth: 120 });
}

if (import.meta.main) {
  const text = writeDocument(await buildDocument());
  process.exitCode = settleGenerated('openapi.yaml', text, {
    check: process.argv.includes('--check'),
    command: 'openapi',
  });
}
