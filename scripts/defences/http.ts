// HTTP: Hosts, headers, bodies, query strings, what an answer may say and who may keep it.
import { type Defence, provenBy } from './defence.ts';

const BAD = 'test/http/bad-input.test.ts';
const RESPONSES = 'test/http/responses.test.ts';
const ISSUERS = 'test/issuers/routes.test.ts';
const PLAIN = 'test/issuers/plain-request.test.ts';
const server = 'src/http/server.ts';
const node = 'src/http/node-server.ts';
const json = 'src/json.ts';
const problems = 'src/http/problems.ts';
const plain = 'src/issuers/plain-request.ts';

export const http: Defence[] = [
  ...provenBy(ISSUERS, 'a foreign Host is refused everywhere but at health', [
    {
      name: 'http.host',
      promise: 'known Hosts only',
      file: 'src/http/headers.ts',
      find: 'if (hosts.has(host)) return;',
      replace: 'if (host !== undefined) return;',
    },
  ]),
  ...provenBy(ISSUERS, 'headers that came twice are refused', [
    {
      name: 'http.duplicate-headers',
      promise: 'duplicate Host, Authorization or Content-Type: 400',
      file: 'src/http/headers.ts',
      find: "if (name) throw new Problem('duplicate_header'",
      replace: "if (name === '') throw new Problem('duplicate_header'",
    },
  ]),
  ...provenBy(PLAIN, 'what is refused is refused on the short way too', [
    {
      name: 'http.host-of-documents',
      promise: 'known Hosts only, before the framework too',
      file: plain,
      find: '!hosts.has(headers.host.toLowerCase())',
      replace: 'false',
    },
    {
      name: 'http.duplicates-of-documents',
      promise: 'no header twice, before the framework too',
      file: plain,
      find: ' && !findDuplicateHeader(rawHeaders)',
      replace: '',
    },
  ]),
  ...provenBy(BAD, 'every operation', [
    {
      name: 'http.body-size',
      promise: 'bodies of 16 kB',
      file: server,
      find: 'BODY_LIMIT = 16 * 1024',
      replace: 'BODY_LIMIT = 160 * 1024',
    },
    {
      name: 'http.content-types',
      promise: 'exact content types',
      file: server,
      find: 'server.removeAllContentTypeParsers();',
      replace: '',
    },
    {
      name: 'http.strict-json',
      promise: 'JSON is checked before it is parsed',
      file: server,
      find: 'parseStrictJson(body as string)',
      replace: 'JSON.parse(body as string)',
    },
    {
      name: 'http.duplicate-members',
      promise: 'no duplicate members',
      file: json,
      find: 'seen?.has(name)',
      replace: 'false',
    },
    {
      name: 'http.prototype-members',
      promise: 'no prototype members',
      file: json,
      find: 'FORBIDDEN.has(name)',
      replace: 'false',
    },
    { name: 'http.depth', promise: 'bounded depth', file: json, find: 'depth > MAX_DEPTH', replace: 'false' },
    {
      name: 'http.coercion',
      promise: 'no coercion, query strings apart',
      file: 'src/http/compilers.ts',
      find: "httpPart === 'querystring' ? coercing : strict",
      replace: 'httpPart ? coercing : strict',
    },
    {
      name: 'http.unknown-members',
      promise: 'unknown members are refused, not dropped',
      file: 'src/http/compilers.ts',
      find: 'removeAdditional: false',
      replace: 'removeAdditional: true',
    },
    {
      name: 'http.unknown-parameters',
      promise: 'unknown parameters are refused, not passed over',
      file: server,
      find: "if (route.url.startsWith('/v1/') && route.schema) route.schema.querystring ??= NO_QUERY;",
      replace: '',
    },
    {
      name: 'http.broken-paths',
      promise: 'a broken path is refused like everything else, and the framework does not show',
      file: server,
      find: 'frameworkErrors: refusePath,',
      replace: '',
    },
    {
      name: 'http.refusals-uncached',
      promise: 'a refusal is nobody’s to cache',
      file: problems,
      find: "reply.header('cache-control', 'no-store');",
      replace: '',
    },
    {
      name: 'http.methods',
      promise: 'what is not there is a problem document too',
      file: server,
      find: 'server.setNotFoundHandler',
      replace: 'Array.of',
    },
  ]),
  ...provenBy('test/http/deadlines.test.ts', 'who falls silent in its headers or its body is told so and let go', [
    {
      name: 'http.header-deadline',
      promise: 'headers have a deadline',
      file: node,
      find: 'headersMs: 10_000',
      replace: 'headersMs: 60_000',
    },
    {
      name: 'http.request-deadline',
      promise: 'requests have a deadline',
      file: node,
      find: 'requestMs: 15_000',
      replace: 'requestMs: 60_000',
    },
    {
      name: 'http.deadlines-kept',
      promise: 'deadlines are looked at each second',
      file: node,
      find: 'connectionsCheckingInterval: deadlines.lookMs,',
      replace: '',
    },
  ]),
  ...provenBy('test/http/bad-bytes.test.ts', 'bytes that are not HTTP, or too many of them', [
    {
      name: 'http.header-size',
      promise: 'headers of 8 kB',
      file: node,
      find: 'maxHeaderSize: 8 * 1024',
      replace: 'maxHeaderSize: 80 * 1024',
    },
    {
      name: 'http.broken-bytes',
      promise: 'bytes that are not HTTP are refused in our words',
      file: server,
      find: 'clientErrorHandler: refuseBytes,',
      replace: '',
    },
  ]),
  ...provenBy('test/http/bad-form.test.ts', 'the token endpoint', [
    {
      name: 'http.form-size',
      promise: 'bodies of 16 kB at the token endpoint',
      file: server,
      find: 'BODY_LIMIT = 16 * 1024',
      replace: 'BODY_LIMIT = 160 * 1024',
    },
    {
      name: 'http.form-content-type',
      promise: 'exact content types at the token endpoint',
      file: 'src/oauth/routes.ts',
      find: 'scope.removeAllContentTypeParsers();',
      replace: '',
      also: [{ file: 'src/oauth/routes.ts', find: "typeof request.body !== 'string'", replace: 'false' }],
    },
  ]),
  ...provenBy(RESPONSES, 'an error of our own says nothing about it', [
    {
      name: 'http.silent-errors',
      promise: 'errors never show a stack, SQL or a version',
      file: problems,
      find: "'Something went wrong on our side.'",
      replace: 'String((error as Error)?.message ?? error)',
    },
    {
      name: 'http.silent-database',
      promise: 'errors never show what the database said',
      file: problems,
      find: "'The database does not answer.'",
      replace: '(error as Error).message',
    },
  ]),
  ...provenBy(RESPONSES, 'a private member in a row of keys does not leave, nor any column that is not declared', [
    {
      name: 'http.declared-workload',
      promise: 'a response schema drops what it does not declare',
      file: 'src/workloads/routes.ts',
      find: '{ params: WorkloadParams, response: { 200: WorkloadSchema } }',
      replace: '{ params: WorkloadParams }',
    },
    {
      name: 'http.declared-workloads',
      promise: 'the same of a list',
      file: 'src/workloads/routes.ts',
      find: 'response: { 200: WorkloadPage }',
      replace: 'response: {}',
    },
    {
      name: 'http.declared-administrator',
      promise: 'the same of administrators',
      file: 'src/administrators/routes.ts',
      find: '{ params: AdministratorParams, response: { 200: AdministratorSchema } }',
      replace: '{ params: AdministratorParams }',
    },
    {
      name: 'http.declared-key',
      promise: 'of a key, public members alone are declared',
      file: 'src/clients/schema.ts',
      find: 'e: Type.Optional(Type.String()), }, { additionalProperties: false }',
      replace: 'e: Type.Optional(Type.String()), }, { additionalProperties: true }',
    },
  ]),
  ...provenBy('test/oauth/assertion.test.ts', 'a token and its refusal are for no cache and no browser', [
    {
      name: 'http.token-cors',
      promise: 'tokens: no CORS',
      file: 'src/oauth/record.ts',
      find: 'for (const name of CORS) ctx.remove(name);',
      replace: '',
    },
    {
      name: 'http.token-origins',
      promise: 'no script of another origin gets a token',
      file: 'src/oauth/provider.ts',
      find: 'clientBasedCORS: () => false,',
      replace: 'clientBasedCORS: () => true,',
    },
    {
      name: 'http.token-uncached',
      promise: 'refusals of tokens: no-store',
      file: 'src/oauth/routes.ts',
      find: "header('cache-control', 'no-store')",
      replace: "header('cache-control', 'max-age=60')",
    },
  ]),
  ...provenBy(
    'test/credentials/main-job.test.ts',
    'a service gets credentials of a customer account, and every step is on record',
    [
      {
        name: 'http.credentials-uncached',
        promise: 'credentials: no-store',
        file: 'src/credentials/routes.ts',
        find: "reply.header('cache-control', 'no-store');",
        replace: '',
      },
      {
        name: 'http.credentials-cors',
        promise: 'credentials: no CORS',
        file: 'src/credentials/routes.ts',
        find: "reply.header('cache-control', 'no-store');",
        replace: "reply.header('cache-control', 'no-store').header('access-control-allow-origin', '*');",
      },
    ],
  ),
  ...provenBy(ISSUERS, 'documents are cacheable, tagged, open to any origin, and say nothing of Host', [
    {
      name: 'http.documents-cors',
      promise: 'discovery and JWKS: CORS open',
      file: plain,
      find: "'access-control-allow-origin', '*',",
      replace: '',
    },
    {
      name: 'http.documents-cached',
      promise: 'discovery and JWKS: cacheable',
      file: plain,
      find: '`public, max-age=${maxAge}`',
      replace: "'no-store'",
    },
  ]),
];
