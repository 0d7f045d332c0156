// `countersign key drill`: the life of a key on a scratch ring, and the JWKS read through ISSUER_URL after each step.
import type { Command } from 'commander';
import { type Api, segment } from './api.ts';
import type { Call } from './call.ts';
import { addVerb } from './command.ts';
import { Ended, Failure, INTERRUPTED, usage } from './failure.ts';
import { send } from './http.ts';
import { integer } from './options.ts';
import type { Outside } from './outside.ts';
import { renewedApi } from './renewed.ts';
import { table } from './text.ts';

interface Begun {
  issuer: string;
  issuer_url: string;
}

interface Key {
  kid: string;
  state: string;
}

interface Step {
  step: string;
  at: string;
  /** Until the JWKS at ISSUER_URL held exactly the keys that it should. */
  seen_after_ms: number;
  keys: number;
  /** Of the bytes that were read. */
  etag: string;
}

interface DrillReport {
  issuer: string;
  issuer_url: string;
  reason: string;
  begun_at: string;
  ended_at: string;
  steps: Step[];
  private_halves_destroyed: number;
  private_halves_left: number;
}

const POLL_MS = 250;
const PUBLISHED = ['standby', 'active', 'verify_only'];

const readKeys = async (api: Api, issuer: string): Promise<Key[]> => {
  const { items } = (await api.get(`/v1/keys/${segment(issuer)}`)) as { items: { keys: Key[] }[] };
  return items.flatMap(({ keys }) => keys);
};

/** The kids of the JWKS as a stranger reads it; undefined where it cannot be read now. */
async function readJwks(issuerUrl: string): Promise<{ kids: string[]; text: string } | undefined> {
  try {
    const { status, text } = await send({ method: 'GET', url: `${issuerUrl}/jwks`, deadline: 5000 });
    if (status !== 200) return undefined;
    const { keys } = JSON.parse(text) as { keys: { kid: string }[] };
    return { kids: keys.map(({ kid }) => kid).sort(), text };
  } catch {
    return undefined;
  }
}

interface Drill {
  api: Api;
  issuer: string;
  issuerUrl: string;
  steps: Step[];
  outside: Outside;
  note(text: string): void;
  timeoutMs: number;
}

/** Waits until strangers read exactly what should be published. @throws Failure `jwks_not_as_promised` */
async function observe(drill: Drill, step: string, wanted: readonly string[]): Promise<void> {
  const { issuerUrl, steps, outside, note, timeoutMs } = drill;
  const asked = outside.now();
  for (;;) {
    const read = await readJwks(issuerUrl);
    const seen = outside.now() - asked;
    if (read && read.kids.join() === wanted.toSorted().join()) {
      const { createHash } = await import('node:crypto');
      const etag = createHash('sha256').update(read.text).digest('hex').slice(0, 16);
      if (steps.at(-1)?.etag === etag)
        throw new Failure('jwks_not_as_promised', `After "${step}" the JWKS has the same bytes as before.`);
      steps.push({ step, at: new Date(asked).toISOString(), seen_after_ms: seen, keys: read.kids.length, etag });
      return note(`${step}: ${read.kids.length} keys at ${issuerUrl}/jwks after ${seen} ms`);
    }
    if (seen > timeoutMs)
      throw new Failure(
        'jwks_not_as_promised',
        `After "${step}" ${issuerUrl}/jwks has ${read ? `keys ${read.kids.join(', ')}` : 'no answer'}, not ${wanted.join(', ')}.`,
        {
          hint: 'A cache in front, a replica that is cut off, or files that were not published: countersign doctor.',
        },
      );
    await outside.sleep(POLL_MS);
  }
}

function expectState(keys: readonly Key[], kid: string, state: string): void {
  const found = keys.find((key) => key.kid === kid)?.state;
  if (found !== state) throw new Failure('drill_failed', `Key ${kid} is ${found}, and should be ${state}.`);
}

const published = (keys: readonly Key[]): string[] =>
  keys.filter(({ state }) => PUBLISHED.includes(state)).map(({ kid }) => kid);
const kidOf = (keys: readonly Key[], state: string): string => keys.find((key) => key.state === state)?.kid ?? '';

/** The life of a key, step by step. */
async function rehearse(drill: Drill): Promise<void> {
  const { api, issuer } = drill;
  const path = `/v1/keys/${issuer}`;
  const born = await readKeys(api, issuer);
  await observe(drill, 'created: one key signs, one waits', published(born));

  await api.send('POST', `${path}/rotate`, { now: true });
  const rotated = await readKeys(api, issuer);
  expectState(rotated, kidOf(born, 'standby'), 'active');
  expectState(rotated, kidOf(born, 'active'), 'verify_only');
  await observe(drill, 'rotated: the standby signs, the old key verifies, another waits', published(rotated));

  await api.send('POST', `${path}/revoke`, { kid: kidOf(rotated, 'active'), accept_outage: true });
  const revoked = await readKeys(api, issuer);
  expectState(revoked, kidOf(rotated, 'active'), 'revoked');
  expectState(revoked, kidOf(rotated, 'standby'), 'active');
  await observe(drill, 'revoked the key that signed: its successor signs', published(revoked));

  await api.send('POST', `${path}/revoke`, { all_burnt: true, accept_outage: true });
  const burnt = await readKeys(api, issuer);
  for (const kid of published(revoked)) expectState(burnt, kid, 'revoked');
  await observe(drill, 'revoked all: a fresh key signs, a fresh one waits', published(burnt));
}

async function runDrill(call: Call<{ timeout: number; reason?: string }>): Promise<void> {
  const { options, outside, note, show } = call;
  if (options.reason === undefined)
    throw usage('--reason is missing.', 'Add --reason "…"; it is kept in the audit log.');
  const api = await renewedApi(call);
  const stopped = outside.stopped();
  const begunAt = new Date(outside.now()).toISOString();
  const { issuer, issuer_url: issuerUrl } = (await api.send('POST', '/v1/key-drills')) as Begun;
  const steps: Step[] = [];
  const drill = { ...{ api, issuer, issuerUrl, steps, outside, note }, timeoutMs: options.timeout * 1000 };
  const end = async () =>
    (await api.send('DELETE', `/v1/key-drills/${issuer}`)) as Pick<
      DrillReport,
      'private_halves_destroyed' | 'private_halves_left'
    >;
  const work = async () => {
    await rehearse(drill);
    const ended = await end();
    await observe(drill, 'ended: nothing verifies', []);
    return ended;
  };
  const interrupted = stopped.then((): never => {
    throw new Ended(INTERRUPTED);
  });
  const { private_halves_destroyed: destroyed, private_halves_left: left } = await Promise.race([
    work(),
    interrupted,
  ]).catch(async (error: unknown) => {
    // Whatever went wrong, or whoever interrupts it: nothing of it stays.
    await end().catch((fault: Error) =>
      note(`Its keys are still there, until the next drill ends it: ${fault.message}`),
    );
    throw error;
  });
  if (left !== 0) throw new Failure('drill_failed', `${left} private halves are still there.`);
  const endedAt = new Date(outside.now()).toISOString();
  const report: DrillReport = {
    ...{ issuer, issuer_url: issuerUrl, reason: options.reason, begun_at: begunAt, ended_at: endedAt, steps },
    ...{ private_halves_destroyed: destroyed, private_halves_left: left },
  };
  show(report, (paint) => {
    const rows = steps.map(({ at, step, keys, seen_after_ms: seen, etag }) => [at, `${seen} ms`, keys, etag, step]);
    return (
      `Drill on ${issuerUrl}, ${begunAt} to ${endedAt}: everything was as promised.\n` +
      `${table(paint, ['AT', 'SEEN AFTER', 'KEYS', 'JWKS SHA-256', 'STEP'], rows)}` +
      `${destroyed} private halves destroyed, ${left} left.\n`
    );
  });
}

export function addDrillCommand(key: Command, outside: Outside): void {
  addVerb<{ timeout: number; reason?: string }>(key, outside, {
    usage: 'drill',
    summary: 'Rehearse the life of a key on a scratch ring, and read its JWKS through ISSUER_URL.',
    about:
      'Creates, rotates, revokes, and destroys, on an issuer that nothing is minted by; no caller notices. Run it each\nquarter, from where strangers read ISSUER_URL, and keep the report. Records and retired public keys are all that stays.',
    changes: true,
    examples: [
      'countersign key drill --reason "Q4 drill"',
      'countersign key drill --json --reason "Q4 drill" > drill.json',
    ],
    options: (command) =>
      command.option('--timeout <seconds>', 'how long a JWKS may take to be seen', integer(1, 3600), 600),
    run: runDrill,
  });
}
