// Registering and deleting a client's keys: the two routes that workloads and administrators share.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { Act, Done } from '../audit/act.ts';
import type { Clock } from '../clock.ts';
import type { Transaction } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import type { Caller } from '../http/caller.ts';
import { createOnce, IdempotencyHeaders } from '../http/idempotency.ts';
import { createRate, RateLimited } from '../http/rates.ts';
import type { Scope } from '../http/scopes.ts';
import { refusePrivateMembers } from './jwk.ts';
import { addKey, type ClientKey, createKey } from './keys.ts';
import { type Client, notFound, refuseLastKey, requireEditable } from './rules.ts';
import { ClientReference, Key, NewKey } from './schema.ts';

/** A second, of a caller without the scope; four may come at once. Each makes what is being decided be decided anew. */
const OWN_CHANGES = 1;

export interface KeyRoutesOptions<C extends Client> {
  noun: 'workload' | 'administrator';
  writeScope: Scope;
  /** Whether a client without `writeScope` may rotate its own key. */
  rotatesItsOwn: boolean;
  act: Act;
  clock: Clock;
  /** By which changes of own keys are counted; `clock` unless given. */
  pace?: Pick<Clock, 'monotonic'> | undefined;
  lock(trx: Transaction, reference: string): Promise<C | undefined>;
  /** Stores what may change and counts the version up. */
  update(trx: Transaction, client: C): Promise<C>;
  /** What else it takes to change another's keys: whoever adds one could be that client. @throws Problem */
  guard?(trx: Transaction, caller: Caller, client: C): Promise<void>;
}

export function registerKeyRoutes<C extends Client>(server: FastifyInstance, options: KeyRoutesOptions<C>): void {
  const { noun, writeScope, act, clock } = options;
  const app = server.withTypeProvider<TypeBoxTypeProvider>();
  const tags = [`${noun}s`];
  const [title, named] = noun === 'workload' ? ['Workload', 'a workload'] : ['Administrator', 'an administrator'];
  const params = { [noun]: ClientReference };
  const ownChanges = createRate(OWN_CHANGES, options.pace ?? clock);

  // A proof that ends is not made into a key that stays: whoever borrowed it would come back when it is taken away.
  const mayRotateItsOwn = (caller: Caller): boolean =>
    options.rotatesItsOwn && caller.kind === noun && caller.identity === undefined;

  function lacksScope(): Problem {
    return new Problem('insufficient_scope', `This needs the scope ${writeScope}.`, {
      hint: options.rotatesItsOwn
        ? 'Without it, a workload may change its own keys alone, when it proved itself by one.'
        : 'Ask for a token with that scope.',
    });
  }

  /** A preHandler: what is refused here takes no turn of those that have the scope, and no lock. */
  async function admit({ caller }: { caller: Caller }): Promise<void> {
    if (caller.scopes.has(writeScope)) return;
    if (!mayRotateItsOwn(caller)) throw lacksScope();
    const seconds = ownChanges.take(caller.id);
    if (seconds === undefined) return;
    throw new RateLimited(
      `Without the scope ${writeScope}, a workload changes its own keys once a second, four times at once.`,
      'Wait a moment: register the new key, then delete the old one.',
      seconds,
      caller.id,
    );
  }

  /** Without the scope, whoever is not the caller answers alike, be it there or not. */
  async function lockEditable(trx: Transaction, caller: Caller, reference: string): Promise<C> {
    const client = await options.lock(trx, reference);
    const own = mayRotateItsOwn(caller) && client?.id === caller.id;
    if (!own && !caller.scopes.has(writeScope)) throw lacksScope();
    if (!client) throw notFound(noun, reference);
    requireEditable(caller, client);
    if (!own) await options.guard?.(trx, caller, client);
    return client;
  }

  function recordOf(verb: string, client: C, key: ClientKey): Done<unknown>['records'][number] {
    const subject = noun === 'workload' ? { workload: client.id } : {};
    return {
      kind: `${noun}.${verb}`,
      ...subject,
      details: { [noun]: client.id, version: client.version, key: { ...key, jwk: { ...key.jwk } } },
    };
  }

  app.post(
    `/v1/${noun}s/:${noun}/keys`,
    {
      preValidation: async (request) => refusePrivateMembers((request.body as { jwk?: unknown } | undefined)?.jwk),
      preHandler: admit,
      schema: {
        operationId: `add${title}Key`,
        summary: `Register another public key of ${named}`,
        tags,
        params: Type.Object(params, { additionalProperties: false }),
        headers: IdempotencyHeaders,
        body: NewKey,
        response: { 201: Key },
      },
    },
    async (request, reply) =>
      createOnce<ClientKey>(act, request, reply, async (trx) => {
        const client = await lockEditable(
          trx,
          request.caller,
          (request.params as Record<string, string>)[noun] as string,
        );
        const key = createKey(request.body, clock.wall());
        const updated = await options.update(trx, { ...client, keys: addKey(client.keys, key) });
        return { result: key, records: [recordOf('key_added', updated, key)], affectsDecisions: true };
      }),
  );

  app.delete(
    `/v1/${noun}s/:${noun}/keys/:kid`,
    {
      preHandler: admit,
      schema: {
        operationId: `delete${title}Key`,
        summary: `Delete a public key of ${named}`,
        tags,
        params: Type.Object(
          { ...params, kid: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }) },
          { additionalProperties: false },
        ),
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const { [noun]: reference, kid } = request.params as Record<string, string>;
      await act(request.caller, async (trx) => {
        const client = await lockEditable(trx, request.caller, reference as string);
        const key = client.keys.find((candidate) => candidate.kid === kid);
        if (!key) {
          throw new Problem('not_found', `${client.slug} has no key ${kid}.`, {
            hint: 'A kid is the RFC 7638 thumbprint of the key.',
          });
        }
        refuseLastKey(request.caller, client, key.kid, clock.wall());
        const updated = await options.update(trx, {
          ...client,
          keys: client.keys.filter((candidate) => candidate !== key),
        });
        return { result: undefined, records: [recordOf('key_deleted', updated, key)], affectsDecisions: true };
      });
      return reply.code(204).send(null);
    },
  );
}
