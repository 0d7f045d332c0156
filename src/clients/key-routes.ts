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
import type { Scope } from '../http/scopes.ts';
import { refusePrivateMembers } from './jwk.ts';
import { addKey, type ClientKey, createKey } from './keys.ts';
import { type Client, notFound, refuseLastKey, requireEditable } from './rules.ts';
import { ClientReference, Key, NewKey } from './schema.ts';

export interface KeyRoutesOptions<C extends Client> {
  noun: 'workload' | 'administrator';
  writeScope: Scope;
  /** Whether a client without `writeScope` may rotate its own key. */
  rotatesItsOwn: boolean;
  act: Act;
  clock: Clock;
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

  /** Without the scope, whoever is not the caller answers alike, be it there or not. */
  async function lockEditable(trx: Transaction, caller: Caller, reference: string): Promise<C> {
    const client = await options.lock(trx, reference);
    // A proof that ends is not made into a key that stays: whoever borrowed it would come back when it is taken away.
    const own = options.rotatesItsOwn && client?.id === caller.id && caller.identity === undefined;
    if (!own && !caller.scopes.has(writeScope)) {
      throw new Problem('insufficient_scope', `This needs the scope ${writeScope}.`, {
        hint: options.rotatesItsOwn
          ? 'Without it, a workload may change its own keys alone, when it proved itself by one.'
          : 'Ask for a token with that scope.',
      });
    }
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
