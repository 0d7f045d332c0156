// Whatever JSON is sent: an answer that is declared or a refusal that says what to do, never a fault of ours.
import fc from 'fast-check';
import t from 'tap';
import { SCOPES } from '../../src/http/scopes.ts';
import { createForge } from '../support/forge.ts';
import { goodRequest, listOperations, openWorld, send } from './operations.ts';

/** JSON with the strings that break things: lone surrogates, NUL, names of Object.prototype. */
const string = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('', '\u0000', '\ud800', '${x}', "' or 1=1 --", '__proto__', 'toString', 'x'.repeat(2000)),
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    string,
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    tie('list'),
    tie('object'),
  ),
  list: fc.array(tie('any'), { maxLength: 3 }),
  object: fc.dictionary(string, tie('any'), { maxKeys: 3 }),
})).any;

t.test('any value in place of any member', async (t) => {
  const world = await openWorld(t);
  const { service } = world;
  const forge = await createForge(service);
  const api = await forge({ scope: SCOPES.join(' ') });
  const credentials = await forge({
    sub: world.workload.id,
    client_id: world.workload.id,
    aud: `${service.config.issuerUrl}/v1/credentials`,
  });
  for (const operation of (await listOperations()).filter(({ body }) => body)) {
    const good = goodRequest(world, operation, {
      authorization: `Bearer ${operation.path.endsWith('/credentials') ? credentials : api}`,
    });
    const body = world.bodies[operation.id] as Record<string, unknown>;
    const members = fc.constantFrom(...Object.keys(body));
    const wrong: string[] = [];
    await fc
      .assert(
        fc.asyncProperty(
          fc.oneof({ weight: 4, arbitrary: fc.tuple(members, value) }, fc.tuple(fc.constant(undefined), value)),
          async ([member, any]) => {
            const sent = JSON.stringify(member === undefined ? any : { ...body, [member]: any });
            const { status, json, text } = await send(service.url, { ...good, body: sent });
            const described =
              status < 300 || ['code', 'detail', 'hint'].every((name) => typeof json?.[name] === 'string');
            if (status >= 500 || !described) wrong.push(`${sent.slice(0, 200)} -> ${status} ${text.slice(0, 200)}`);
            return status < 500 && described;
          },
        ),
        // The same values in every run: what fails once can be looked at again.
        { numRuns: 60, seed: 20_251_121, endOnFailure: true },
      )
      // What was not answered at all is told as well; a refused value is among them already.
      .catch((error: Error) => wrong.length > 0 || wrong.push(String(error.cause ?? error)));
    t.same(wrong, [], operation.id);
  }
  t.same(
    service.logged.filter(({ level }) => (level as number) >= 50),
    [],
    'no error in the log',
  );
});
