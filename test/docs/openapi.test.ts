// openapi.yaml: every operation is described, and what it says about security is what the routes do.
import t from 'tap';
import { parse } from 'yaml';
import { buildDocument } from '../../scripts/openapi.ts';
import type { Document, Operation } from '../../scripts/openapi-shape.ts';
import { STATUS } from '../../src/errors.ts';
import { startTestService } from '../support/service.ts';
import { readPage } from './pages.ts';

const document = parse(readPage('openapi.yaml')) as Document;
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]): [string, string, Operation] => [method, path, operation]),
);

t.test('the committed document is the generated one', async (t) => {
  t.strictSame(JSON.parse(JSON.stringify(await buildDocument())), document);
});

t.test('every operation has a name, a summary, a known tag, and answers with and without success', async (t) => {
  const tags = new Set((document['tags'] as { name: string }[]).map(({ name }) => name));
  const names = new Set<string>();
  for (const [method, path, { operationId, summary, tags: own, responses }] of operations) {
    t.match(operationId, /^[a-z][A-Za-z]+$/, `${method} ${path}`);
    t.notOk(names.has(operationId), `${operationId} is unique`);
    names.add(operationId);
    t.ok(summary, `${operationId} has a summary`);
    t.ok(own.length === 1 && own.every((tag) => tags.has(tag)), `${operationId} has one tag of the list`);
    const statuses = Object.keys(responses);
    t.ok(
      statuses.some((status) => status.startsWith('2')),
      `${operationId} can succeed`,
    );
    t.ok('4XX' in responses, `${operationId} can be refused`);
  }
});

t.test('references lead somewhere, and every code is in the schema of a problem', async (t) => {
  const text = JSON.stringify(document);
  for (const [, kind = '', name = ''] of text.matchAll(/"#\/components\/([a-zA-Z]+)\/([A-Za-z]+)"/g)) {
    t.ok(document.components[kind]?.[name], `${kind}/${name}`);
  }
  const { Problem } = document.components['schemas'] as unknown as {
    Problem: { properties: { code: { enum: string[] } } };
  };
  t.strictSame(Problem.properties.code.enum, Object.keys(STATUS));
});

t.test('what needs a token answers 401 without one, and the rest does not ask', async (t) => {
  const { url, config } = await startTestService(t);
  t.ok(config.shared, 'every route is on this listener');
  const id = (kind: string): string => `${kind}_${'a'.repeat(26)}`;
  const values: Record<string, string> = {
    issuer: id('is'),
    connection: id('cn'),
    grant: id('gr'),
    kid: 'k'.repeat(43),
  };
  for (const [method, path, { operationId, security, requestBody }] of operations) {
    const concrete = path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => values[name] ?? 'somebody');
    const json = requestBody !== undefined && path !== '/oauth2/token';
    const response = await fetch(url + concrete, {
      method: method.toUpperCase(),
      ...(json ? { body: '{}', headers: { 'content-type': 'application/json' } } : {}),
    });
    const body = await response.text();
    if ((security as unknown[]).length === 0)
      t.notMatch(body, 'unauthenticated', `${operationId} asks nobody for a token`);
    else
      t.match(
        { status: response.status, body },
        { status: 401, body: /unauthenticated/ },
        `${operationId} needs a token`,
      );
  }
});
