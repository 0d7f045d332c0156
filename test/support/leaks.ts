// What a service leaves behind, searched for every secret that its test came to know: tables, log, metrics, spans, refusals.
import { writeSync } from 'node:fs';
import type { Test } from 'tap';
import { connectPostgres, type Database, type Db } from '../../src/db/connect.ts';
import { decrypt, type Kek, placeOf } from '../../src/keys/encrypt.ts';
import { createLocalKek } from '../../src/keys/kek.ts';
import { findEnvelope } from '../../src/keys/store.ts';
import { dumpText, measureTables } from './dump.ts';
import { countForgotten, findSecrets, keepPkcs8, keepSecret } from './known-secrets.ts';
import { PATIENCE_MS } from './until.ts';

/** A load test's rows are of few kinds; what is larger is counted, and said. */
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_KEYS = 200;
/** Of answers per address. */
const MOST_ANSWERS = 20_000;

const keks: Kek[] = [];
const opened = new Set<string>();
const refusals = new Map<string, string[]>();
const unsearched = new Map<string, number>();

/** Says at the end of the process what was not searched; scripts/tap-files.ts shows such lines. */
function passOver(what: string): void {
  if (unsearched.size === 0)
    process.once('exit', () => {
      for (const [each, count] of unsearched) writeSync(1, `# NOT SEARCHED for secrets: ${each}, ${count} times\n`);
    });
  unsearched.set(what, (unsearched.get(what) ?? 0) + 1);
}

/** A key-encryption key of this test; with it the private halves in a database are opened, and searched for. */
export function keepKek(key: Buffer): Buffer {
  keepSecret('the key-encryption key', key);
  keks.unshift(createLocalKek(key));
  return key;
}

/** What a caller was told where it was refused, to be searched when the service at `url` ends. */
export function keepRefusal(url: string, text: string): void {
  const { origin } = new URL(url);
  const told = refusals.get(origin) ?? [];
  if (told.length < MOST_ANSWERS) told.push(text);
  else passOver(`refusals beyond ${MOST_ANSWERS}`);
  refusals.set(origin, told);
}

/** The file's own test, which outlasts the others; undefined where a soak stands in for tap. */
function findRoot(t: Test): Pick<Test, 'fail'> | undefined {
  let root: { parent?: unknown; fail?: unknown } = t;
  while (root.parent) root = root.parent;
  return root.fail ? (root as Test) : undefined;
}

/** Fails the file, naming the test, each secret and where it is: a teardown that threw would leave servers behind. */
export function demandNoSecrets(t: Test, places: Record<string, string>): void {
  const leaks = Object.entries(places).flatMap(([place, text]) => findSecrets(text).map((name) => `${place}: ${name}`));
  if (countForgotten() > 0) passOver('secrets beyond the first thousands');
  if (leaks.length === 0) return;
  const root = findRoot(t);
  if (!root) throw new Error(`secrets are where none may be:\n${leaks.join('\n')}`);
  root.fail(`${t.name} left secrets where none may be`, { leaks });
}

async function openOne(db: Db, kid: string): Promise<void> {
  const record = await findEnvelope(db, kid);
  for (const kek of record ? keks : []) {
    const { envelope, ...ring } = record as NonNullable<typeof record>;
    const pkcs8 = await decrypt(kek, envelope, placeOf(kid, ring)).catch(() => undefined);
    if (pkcs8 === undefined) continue;
    keepPkcs8(`the private half of ${ring.id}`, pkcs8);
    opened.add(kid);
    return;
  }
}

/** From here on the private halves that the database holds are among what is searched for. */
export async function keepPrivateHalves(db: Db): Promise<void> {
  const rows = await db
    .selectFrom('private_keys')
    .select('kid')
    .limit(MOST_KEYS + 1)
    .execute();
  if (rows.length > MOST_KEYS) return passOver(`private halves of a database with more than ${MOST_KEYS}`);
  for (const { kid } of rows) if (!opened.has(kid)) await openOne(db, kid);
}

export async function searchDatabase(t: Test, database: Pick<Database, 'db'>): Promise<void> {
  let tables: Record<string, string>;
  try {
    const held = await measureTables(database.db);
    if (held.reduce((sum, { bytes }) => sum + bytes, 0) > MOST_BYTES)
      return passOver(`a database of more than ${MOST_BYTES / 1024 / 1024} MiB`);
    if (held.some(({ name }) => name === 'private_keys')) await keepPrivateHalves(database.db);
    tables = await dumpText(database.db, held);
  } catch (error) {
    return passOver(`a database that its test left unreadable (${String((error as Error).message).slice(0, 60)})`);
  }
  demandNoSecrets(t, tables);
}

/** Of what looks for secrets. */
export const SEARCH = {
  ...{ poolSize: 1, applicationName: 'countersign-test-search' },
  ...{ connectTimeoutMs: PATIENCE_MS, statementTimeoutMs: PATIENCE_MS },
};

/** As the role in `url`, which may read everything. */
export async function searchPostgres(t: Test, url: string): Promise<void> {
  const database = connectPostgres({ ...SEARCH, url });
  try {
    await searchDatabase(t, database);
  } finally {
    await database.close();
  }
}

/** What `/metrics` at `url` shows; nothing where nobody answers there. */
export async function readMetrics(url: string): Promise<string> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(30_000) }).catch(() => undefined);
  return (await response?.text().catch(() => '')) ?? '';
}

/** Everything but the tables, which are searched when their database goes. */
export function searchService(t: Test, left: { urls: string[]; log: string; metrics: string }): void {
  const told = left.urls.flatMap((url) => refusals.get(new URL(url).origin) ?? []);
  demandNoSecrets(t, { 'the log': left.log, 'the metrics': left.metrics, refusals: told.join('\n') });
}
