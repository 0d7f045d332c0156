// One round of requests against a service, each judged by what openapi.yaml and src/errors.ts promise, and by every table.
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { STATUS } from '../../src/errors.ts';
import { type Reply, send, type Sent } from '../http/operations.ts';
import { type Draft, type Operation, requestsOf } from './requests.ts';
import type { Schema } from './values.ts';
import { type Caller, CALLERS, type FuzzWorld } from './world.ts';

const ajv = new Ajv2020({ strict: false, allErrors: false });
ajv.addFormat(
  'date-time',
  (text: string) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) && !Number.isNaN(Date.parse(text)),
);
const coercing = new Ajv2020({ strict: false, coerceTypes: true });
coercing.addFormat('date-time', true);
const compiled = new Map<Schema, (value: unknown) => boolean>();

function takes(schema: Schema, value: unknown, by = ajv): boolean {
  let check = compiled.get(schema);
  if (!check) {
    check = by.compile({ type: 'object', properties: { value: schema }, required: ['value'] }) as (
      value: unknown,
    ) => boolean;
    compiled.set(schema, check);
  }
  return check({ value });
}

/** What a caller without a scope may do all the same (DESIGN: section 11). */
const WITHOUT_SCOPE = new Set(['whoami', 'listConnections', 'getCredentials', 'createCredentials']);
/** Tables of the service's own book-keeping, which it writes without an act. */
const OWN_TABLES = new Set([
  'rotation_run_rings',
  'rotation_leases',
  'rotation_plan',
  'verifications',
  'revocation_proofs',
  'canaries',
  'private_keys',
  'replicas',
  'kek_rotations',
]);

/** Bodies that chance hardly finds: members that go together, or what there is something of. */
const SELDOM: Record<string, unknown> = {
  chooseSigner: { signer: 'local' },
  recordPlacements: { epoch: 1, documents: [] },
  createRotation: { selection: { all: true } },
  createToken: {
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: '{{assertion:0}}',
    resource: '{{resource:0}}',
  },
  createTrustedIssuer: { name: 'again', kind: 'oidc', issuer: 'https://again.example' },
  updateTrustedIssuer: { max_token_seconds: 600 },
  updateWorkloadIdentity: { report_only: true },
  addAdministratorIdentity: { trusted_issuer: 'people', subject: '00u1ana' },
  updateAdministratorIdentity: { report_only: true },
};

export interface Tally {
  requests: number;
  /** Operations that were carried out at least once. */
  done: Set<string>;
  refused: Map<string, number>;
}

export const createTally = (): Tally => ({ requests: 0, done: new Set(), refused: new Map() });

/** Where a pool of keys is of somebody: a workload, an administrator, an issuer. */
const keysOf = (owner: unknown): string => `kid of ${String(owner)}`;

const identitiesOf = (workload: unknown): string => `identity of ${String(workload)}`;

/** `{{pool:n}}` anywhere in a value by what the pool holds. */
function fill<T>(value: T, pools: Record<string, string[]>): T {
  if (value === undefined) return value;
  const text = JSON.stringify(value).replaceAll(/\{\{([\w-]+):(\d+)\}\}/g, (_all, name: string, index: string) => {
    const pool = pools[name] ?? [];
    return pool[Number(index) % Math.max(1, pool.length)] ?? `no-${name}`;
  });
  return JSON.parse(text) as T;
}

interface Request {
  sent: Sent;
  /** Whether it is surely not what the operation describes. */
  invalid: boolean;
}

function write(operation: Operation, draft: Draft, authorization: string | undefined): Request {
  let { path } = operation;
  let invalid = false;
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const query: string[] = [];
  for (const { parameter, value } of draft.parameters) {
    if (value === undefined) continue;
    const text = typeof value === 'string' ? value.toWellFormed() : JSON.stringify(value);
    if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, () => encodeURIComponent(text));
    else if (parameter.in === 'query') query.push(`${parameter.name}=${encodeURIComponent(text)}`);
    else headers[parameter.name] = text.replaceAll(/[^\t\x20-\x7e\xa0-\xff]/g, '?');
    const arrived = parameter.in === 'header' ? (headers[parameter.name] as string).trim() : text;
    // An empty part of a path is another path; an empty header of ours may be none.
    if (text !== '') invalid ||= !takes(parameter.schema, arrived, coercing);
  }
  for (const { in: where, name, value } of draft.extra) {
    if (where === 'query') query.push(`${name}=${encodeURIComponent(value)}`);
    else headers[name] = value.trim();
  }
  // Nobody has time to wait for what chance asks for.
  if (query.some((each) => each.startsWith('wait=')) && !query.some((each) => each.startsWith('timeout_seconds=')))
    query.push('timeout_seconds=1');
  let body: string | undefined;
  const { contentType } = draft;
  if (contentType !== undefined) {
    headers['content-type'] ??= contentType;
    const form = contentType === 'application/x-www-form-urlencoded' && typeof draft.body === 'object';
    body =
      draft.text ??
      (form
        ? new URLSearchParams(
            Object.entries(draft.body ?? {}).map(([name, value]): [string, string] => [name, String(value)]),
          ).toString()
        : JSON.stringify(draft.body));
    const schema = operation.body[contentType];
    if (schema && contentType === 'application/json') {
      try {
        invalid ||= !takes(schema, JSON.parse(body ?? ''));
      } catch {
        invalid ||= operation.bodyRequired || (body ?? '') !== '';
      }
    }
  }
  const target = query.length > 0 ? `${path}?${query.join('&')}` : path;
  return {
    sent: { method: operation.method, path: target, headers, ...(body === undefined ? {} : { body }) },
    invalid,
  };
}

/** What is wrong with an answer; undefined where nothing is. */
function judge(operation: Operation, caller: Caller, { invalid }: Request, reply: Reply): string | undefined {
  const { status, json, text, headers } = reply;
  if (status >= 500) return 'a fault of ours';
  const declared = operation.responses[String(status)] ?? operation.responses[`${Math.floor(status / 100)}XX`];
  if (!declared) return `status ${status} is not declared`;
  const type = String(headers['content-type'] ?? '').split(';')[0] as string;
  if (status >= 400) {
    if (operation.id === 'createToken') {
      if (type !== 'application/json' || typeof json?.error !== 'string' || !json?.error_description)
        return 'no OAuth error';
    } else {
      if (type !== 'application/problem+json') return `a refusal as ${type}`;
      if ((STATUS as Record<string, number>)[json?.code] !== status)
        return `code ${json?.code} is not one of ${status}`;
      if (!json.detail || !json.hint) return 'no detail or no hint';
    }
  } else if (invalid) return 'carried out, and the request is not what is described';
  else if (operation.bearer && (caller === 'nobody' || caller === 'stranger')) return 'carried out for a stranger';
  else if (caller === 'plain' && operation.bearer && !WITHOUT_SCOPE.has(operation.id))
    return 'carried out without a scope';
  const contents = Object.entries(declared);
  if (contents.length === 0) return text === '' ? undefined : 'a body that is not declared';
  const found = contents.find(([each]) => each === type);
  if (!found) return `content type ${type} is not declared`;
  if (found[1] && /json/.test(type) && !takes(found[1], json)) return 'not of the schema declared';
  return undefined;
}

/** What an answer names can be asked for next. */
function gather(pools: FuzzWorld['pools'], { status, json }: Reply): void {
  const add = (pool: string, value: unknown): void => void (pools[pool] ??= []).push(String(value));
  if (typeof json?.next_cursor === 'string') add('cursor', json.next_cursor);
  for (const ring of json?.items ?? []) {
    if (ring?.issuer_url) pools[keysOf(ring.issuer)] = ring.keys.map((key: { kid: string }) => key.kid);
  }
  if (status === 202 && typeof json?.id === 'string') add('rotation', json.id);
  if (status !== 201 || typeof json?.id !== 'string') return;
  const kind = {
    wl_: 'workload',
    ad_: 'administrator',
    cn_: 'connection',
    gr_: 'grant',
    tg_: 'target',
    ti_: 'trusted_issuer',
  }[json.id.slice(0, 3) as string];
  if (kind) add(kind, json.id);
  if (/^[wp]i_/.test(json.id)) add(identitiesOf(json.workload ?? json.administrator), json.id);
  if (json.issuer?.id) add('issuer', json.issuer.id);
  for (const { kid } of json.keys ?? []) {
    add('kid', kid);
    add(keysOf(json.id), kid);
  }
}

/** Requests of one operation. @returns what is wrong, with how to see it again. */
export async function fuzzOperation(
  world: FuzzWorld,
  operation: Operation,
  options: { seed: number; runs: number; tally: Tally },
): Promise<string | undefined> {
  const { service, pools } = world;
  const { tally } = options;
  const credentials = operation.path.endsWith('/credentials');
  let before = await world.digest();
  const drafts = fc.oneof(requestsOf(operation, false), requestsOf(operation, true));
  const callers = fc.constantFrom(
    ...CALLERS,
    ...(credentials ? (['plain', 'plain'] as const) : (['host', 'host'] as const)),
  );
  let fault: string | undefined;
  const property = fc.asyncProperty(drafts, callers, fc.nat({ max: 99 }), async (drawn, caller, pick) => {
    const draft = operation.id in SELDOM && pick % 2 === 0 ? { ...drawn, body: SELDOM[operation.id] } : drawn;
    const usable = {
      ...pools,
      ...(operation.id === 'createToken' ? { assertion: await world.assertions() } : {}),
      // The one account that lets us in is read and used, and changed by nobody.
      ...(credentials ? { connection: [...(pools['active'] ?? []), (pools['connection'] ?? []).at(-1) ?? ''] } : {}),
    };
    const parameters = fill(draft.parameters, usable);
    const owner = parameters.find(({ parameter: { name } }) => ['workload', 'administrator', 'issuer'].includes(name));
    const theirs = pools[keysOf(owner?.value)];
    const identities = pools[identitiesOf(owner?.value)];
    // The placeholders of parameters are filled: what was drawn for a key is drawn again among the owner's.
    const filled = fill(
      {
        ...draft,
        parameters: draft.parameters.map((each) =>
          (each.parameter.name === 'kid' && theirs) || (each.parameter.name === 'identity' && identities)
            ? each
            : (parameters.find(({ parameter }) => parameter.name === each.parameter.name) ?? each),
        ),
      },
      { ...usable, ...(theirs ? { kid: theirs } : {}), ...(identities ? { identity: identities } : {}) },
    );
    const request = write(
      operation,
      filled,
      operation.bearer ? await world.authorize(caller, operation, pick) : undefined,
    );
    const reply = await send(service.url, request.sent);
    tally.requests += 1;
    const wrong: string[] = [];
    const judged = judge(operation, caller, request, reply);
    if (judged) wrong.push(judged);
    const logged = service.logged.splice(0).filter(({ level }) => (level as number) >= 50);
    if (logged.length > 0) wrong.push(`an error in the log: ${JSON.stringify(logged[0]).slice(0, 600)}`);
    const after = await world.digest();
    if (reply.status < 400) {
      tally.done.add(operation.id);
      gather(pools, reply);
    } else {
      const code = String(reply.json?.code ?? reply.json?.error);
      tally.refused.set(code, (tally.refused.get(code) ?? 0) + 1);
      const changed = Object.keys(after).filter((table) => after[table] !== before[table] && !OWN_TABLES.has(table));
      if (changed.length > 0 && (await world.ownActs()).length === 0)
        wrong.push(`refused, and it changed ${changed.join(', ')}`);
    }
    before = after;
    if (operation.id === 'sealService' && reply.status === 200) {
      await world.unseal();
      before = await world.digest();
    }
    if (wrong.length === 0) return true;
    const { headers: { authorization: _, ...headers } = {} as Record<string, string>, ...sent } = request.sent;
    fault = `${operation.id} as ${caller}: ${wrong.join('; ')}\n  ${JSON.stringify({ ...sent, headers })}\n  -> ${reply.status} ${reply.text.slice(0, 600)}`;
    return false;
  });
  // Not shrunk: what went before is part of the case.
  const { failed, counterexamplePath, errorInstance } = await fc.check(property, {
    ...{
      seed: options.seed + (Number.parseInt(operation.id, 36) % 1_000_003),
      numRuns: options.runs,
      endOnFailure: true,
    },
  });
  if (!failed) return undefined;
  return `seed ${options.seed}, path ${counterexamplePath}: ${fault ?? String(errorInstance)}`;
}
