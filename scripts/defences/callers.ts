// Callers of the API: whose token it is, what it may do, and that this is still so when it does it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Defence, provenBy } from './defence.ts';

const SCOPES = 'test/http/scopes.test.ts';
const CALLERS = 'test/oauth/callers.test.ts';
const RULES = 'test/clients/rules.test.ts';
const OWN_KEYS = 'test/clients/own-keys.test.ts';
const authenticate = 'src/oauth/authenticate.ts';
const rules = 'src/clients/rules.ts';
const keyRoutes = 'src/clients/key-routes.ts';

/** Every `requireScopes('…')` that a route states, one by one. */
function routeScopes(): Defence[] {
  const files = ['workloads', 'administrators', 'grants', 'keys', 'audit', 'connections'].map(
    (room) => `src/${room}/routes.ts`,
  );
  return [...files, 'src/connections/onboarding.ts'].flatMap((file) => {
    const text = readFileSync(join(import.meta.dirname, '../..', file), 'utf8');
    const seen = new Map<string, number>();
    return [...text.matchAll(/preHandler: requireScopes\('([a-z]+:[a-z]+)'\)/g)].map(([find, scope = '']): Defence => {
      const occurrence = seen.get(scope) ?? 0;
      seen.set(scope, occurrence + 1);
      return {
        name: `scopes.${file.slice(4, -3).replaceAll('/', '-')}-${scope.replace(':', '-')}-${occurrence + 1}`,
        promise: `every route asks for its scope: ${scope}`,
        ...{ file, find, occurrence, replace: 'preHandler: requireScopes()' },
        test: [SCOPES, 'without exactly that scope: 403, and nothing changed'],
      };
    });
  });
}

export const callers: Defence[] = [
  ...provenBy('test/http/bad-input.test.ts', 'every operation', [
    {
      name: 'callers.audience',
      promise: 'a token of another audience is never accepted',
      file: authenticate,
      find: '(aud) => aud === audience',
      replace: '() => true',
    },
    {
      name: 'callers.registered',
      promise: 'a token of nobody who is registered is refused, with what to do',
      file: authenticate,
      find: "throw new Problem('invalid_token', 'The token was refused: its bearer is not registered.'",
      replace: "throw new Problem('internal', 'x'",
    },
  ]),
  ...provenBy(SCOPES, 'a scope that was taken away is gone from tokens that carry it, at once', [
    {
      name: 'callers.scopes-of-today',
      promise: 'a token gives no more than its bearer holds today',
      file: authenticate,
      find: 'token.scopes.includes(scope) && scopes.includes(scope)',
      replace: 'token.scopes.includes(scope)',
    },
  ]),
  ...provenBy(SCOPES, 'a token carries no scope that was not asked for, and none that its bearer lacks', [
    {
      name: 'callers.scopes-of-the-token',
      promise: 'a token gives no more than it carries',
      file: authenticate,
      find: 'token.scopes.includes(scope) && scopes.includes(scope)',
      replace: 'scopes.includes(scope)',
    },
  ]),
  ...provenBy(
    CALLERS,
    'an act confirms its actor inside its transaction: suspended, gone or narrowed since is refused',
    [
      {
        name: 'callers.suspended-meanwhile',
        promise: 'a suspension stops an act that has begun',
        file: authenticate,
        find: "now?.state !== 'active'",
        replace: 'false',
      },
      {
        name: 'callers.narrowed-meanwhile',
        promise: 'a scope that is taken away stops an act that has begun',
        file: authenticate,
        find: 'scopes.difference(new Set(now.scopes)).size > 0',
        replace: 'false',
      },
    ],
  ),
  ...provenBy(
    CALLERS,
    'an act confirms the key of its token: what was revoked since does nothing more, whoever shows it',
    [
      {
        name: 'callers.revoked-meanwhile',
        promise: 'what a revoked key signed changes nothing, though the replica has not read of the revocation',
        file: authenticate,
        find: 'if (!(await deps.isRevoked(trx, kid))) return;',
        replace: 'if (kid) return;',
      },
    ],
  ),
  ...provenBy(RULES, 'an act whose actor may no longer act changes nothing', [
    {
      name: 'callers.confirmed',
      promise: 'every act confirms its actor in its own transaction',
      file: 'src/audit/act.ts',
      find: 'await actor.confirm(trx);',
      replace: '',
    },
  ]),
  ...provenBy(CALLERS, 'an administrator says why, at every change there is', [
    {
      name: 'callers.reason',
      promise: 'each changing request of an administrator carries a reason',
      file: authenticate,
      find: "kind === 'administrator' && reason === undefined && CHANGING.has(request.method)",
      replace: 'false',
    },
    {
      name: 'callers.reason-length',
      promise: 'a reason is 1 to 500 characters, without control characters',
      file: authenticate,
      find: 'reason.length < 1 || [...reason].length > 500',
      replace: 'reason.length < 1',
    },
  ]),
  ...provenBy(CALLERS, 'a suspended administrator is nobody, and so is a workload that was never registered', [
    {
      name: 'callers.suspended',
      promise: 'whoever is suspended is refused',
      file: authenticate,
      find: "if (client.state !== 'active') throw suspended(client.kind);",
      replace: '',
    },
  ]),
  ...provenBy(CALLERS, 'credentials are for workloads: neither the host nor an administrator gets them', [
    {
      name: 'callers.credentials',
      promise: 'credentials are for workloads alone',
      file: 'src/credentials/routes.ts',
      find: "!request.token.subject.startsWith('wl_')",
      replace: 'false',
    },
  ]),
  ...provenBy(SCOPES, 'without exactly that scope: 403, and nothing changed', [
    {
      name: 'scopes.checked',
      promise: 'a scope that is asked for is checked',
      file: 'src/http/caller.ts',
      find: 'if (missing.length === 0) return;',
      replace: 'if (missing) return;',
    },
    {
      name: 'scopes.keys-of-clients',
      promise: 'keys of another need the scope to write',
      file: keyRoutes,
      find: '!own && !caller.scopes.has(writeScope)',
      replace: 'false',
    },
  ]),
  ...routeScopes(),
  ...provenBy(SCOPES, 'nobody without connections:read lists connections, but a workload those that it may use', [
    {
      name: 'scopes.list-of-connections',
      promise: 'every query for a caller is bound to its grants',
      file: 'src/connections/routes.ts',
      find: "if (!request.caller.scopes.has('connections:read')) return",
      replace: 'if (false) return',
    },
    {
      name: 'scopes.list-of-administrators',
      promise: 'nobody but a workload lists without the scope',
      file: 'src/connections/routes.ts',
      find: "await requireScopes('connections:read').call(this, request, reply);",
      replace: '',
    },
  ]),
  ...provenBy(SCOPES, 'nobody gives away what they do not hold, nor touches one who holds more', [
    {
      name: 'scopes.superset',
      promise: 'nobody grants themselves scopes',
      file: 'src/http/scopes.ts',
      find: 'if (missing.length === 0) return;',
      replace: 'if (missing) return;',
    },
    {
      name: 'scopes.assignable',
      promise: 'nobody assigns a scope that they do not hold',
      file: rules,
      find: "requireSuperset(caller.scopes, scopes, 'Assigning these scopes');",
      replace: '',
    },
    {
      name: 'scopes.editable',
      promise: 'editing keys, scopes or state needs a superset',
      file: rules,
      find: 'requireSuperset(caller.scopes, client.scopes, `Changing ${client.slug}`);',
      replace: '',
    },
    {
      name: 'scopes.changeable',
      promise: 'scopes and state are changed by a superset alone',
      file: rules,
      find: 'if (change.scopes !== undefined || change.state !== undefined) requireEditable(caller, client);',
      replace: '',
    },
    {
      name: 'scopes.keys-editable',
      promise: 'keys are changed by a superset alone',
      file: keyRoutes,
      find: 'requireEditable(caller, client);',
      replace: '',
    },
  ]),
  ...provenBy(SCOPES, 'labels and tenants are access: connections:write alone gives neither', [
    {
      name: 'scopes.labels-at-creation',
      promise: 'labels and tenants need grants:write, at creation as well',
      file: 'src/connections/create.ts',
      find: "if (tenant !== 'default' || Object.keys(labels).length > 0) requireAccessScope(caller);",
      replace: '',
    },
    {
      name: 'scopes.labels-later',
      promise: 'labels and tenants need grants:write',
      file: 'src/connections/change.ts',
      find: 'if (settings.labels !== undefined || settings.tenant !== undefined) requireAccessScope(caller);',
      replace: '',
    },
  ]),
  ...provenBy(RULES, 'a workload without scope rotates its own key, and touches nothing else', [
    {
      name: 'callers.own-keys',
      promise: 'without the scope, a workload changes its own keys alone',
      file: keyRoutes,
      find: 'client?.id === caller.id',
      replace: 'client !== undefined',
    },
  ]),
  ...provenBy(OWN_KEYS, 'whoever may change no keys is refused before a turn is taken', [
    {
      name: 'callers.refused-before-a-turn',
      promise: 'whoever has neither the scope nor a key of its own takes no turn and no lock to be refused',
      file: keyRoutes,
      find: 'if (!mayRotateItsOwn(caller)) throw lacksScope();',
      replace: '',
    },
  ]),
  ...provenBy(
    OWN_KEYS,
    'a workload without scope changes its keys once a second, whatever it sends, and others are served',
    [
      {
        name: 'callers.own-keys-at-a-rate',
        promise: 'a workload without scope makes nobody’s decisions be made anew again and again',
        file: keyRoutes,
        find: 'ownChanges.take(caller.id)',
        replace: '(undefined as number | undefined)',
      },
    ],
  ),
  ...provenBy(RULES, 'an administrator needs the scope for its own keys too', [
    {
      name: 'callers.own-keys-of-administrators',
      promise: 'an administrator needs the scope for its own keys too',
      file: 'src/administrators/routes.ts',
      find: 'rotatesItsOwn: false',
      replace: 'rotatesItsOwn: true',
    },
  ]),
  ...provenBy(RULES, 'workload: nobody removes the last key that they can come back with', [
    {
      name: 'callers.last-key',
      promise: 'never the last key by itself',
      file: keyRoutes,
      find: 'refuseLastKey(request.caller, client, key.kid, clock.wall());',
      replace: '',
    },
  ]),
];
