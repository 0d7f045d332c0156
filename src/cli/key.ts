// `countersign key`: signing keys, ring by ring; rotate and revoke them.
import type { Command } from 'commander';
import { segment } from './api.ts';
import { addNoun, addVerb } from './command.ts';
import type { Outside } from './outside.ts';
import { listOptions, type ListOptions, more, readPages } from './pages.ts';
import { fields, type Paint, table } from './text.ts';

type Item = Record<string, unknown>;

const pathOf = (issuer: string): string => `/v1/keys/${segment(issuer)}`;

/** Any list of like objects: a column a member, in the order in which the service gives them. */
function columns(paint: Paint, items: readonly Item[]): string {
  const names = [...new Set(items.flatMap((item) => Object.keys(item)))];
  return table(paint, names.map((name) => name.toUpperCase()), items.map((item) => names.map((name) => item[name])));
}

/** Plain members as fields, then each list of objects as a table of its own. */
function document(paint: Paint, value: Item): string {
  const isList = (member: unknown): member is Item[] => Array.isArray(member) && member.some((entry) => typeof entry === 'object');
  const plain = Object.entries(value).filter(([, member]) => !isList(member));
  const lists = Object.entries(value).filter(([, member]) => isList(member));
  return [fields(paint, plain), ...lists.map(([name, member]) => `${name}\n${columns(paint, member as Item[])}`)].filter(Boolean).join('\n');
}

export function addKeyCommands(program: Command, outside: Outside): void {
  const key = addNoun(program, 'key', 'signing keys: what each is and until when; rotate, revoke');

  addVerb<ListOptions>(key, outside, {
    usage: 'list',
    summary: 'List rings: the keys of each issuer.',
    examples: ['countersign key list'],
    options: listOptions,
    run: async ({ api, options, show }) => {
      const page = await readPages<Item>(await api(), '/v1/keys', {}, options);
      show(page, (paint) => columns(paint, page.items) + more(page));
    },
  });
  addVerb(key, outside, {
    usage: 'show [issuer]',
    summary: 'Show the timeline of an issuer: platform (unless given) or is_….',
    examples: ['countersign key show', 'countersign key show is_… --json'],
    run: async ({ api, args, show }) => {
      const timeline = (await (await api()).get(pathOf(args[0] ?? 'platform'))) as Item;
      show(timeline, (paint) => document(paint, timeline));
    },
  });
  addVerb<{ now?: true }>(key, outside, {
    usage: 'rotate [issuer]',
    summary: 'Let the standby key sign: platform (unless given) or is_….',
    about: 'Queued until its conditions hold. With --now it is done in the call, or refused with the time from which it can be;\nno caller is refused either way, because the old key stays published.',
    changes: true,
    examples: ['countersign key rotate --now --reason "quarterly exercise"', 'countersign key rotate is_… --reason "…"'],
    options: (command) => command.option('--now', 'in this call'),
    run: async ({ api, args, options, show }) => {
      const body = options.now ? { now: true } : {};
      const rotated = (await (await api()).send('POST', `${pathOf(args[0] ?? 'platform')}/rotate`, body)) as Item;
      show(rotated, (paint) => document(paint, rotated));
    },
  });
  addVerb<{ acceptOutage?: true }>(key, outside, {
    usage: 'revoke <issuer> <kid>',
    summary: 'Take a key out of the JWKS: tokens that it signed die with it.',
    about: 'Where the next key is not known to every verifier yet, this is refused until --accept-outage is given:\ncallers may then be refused for a while.',
    changes: true,
    examples: ['countersign key revoke platform <kid> --reason "laptop with a dump was stolen"', 'countersign key revoke is_… <kid> --accept-outage --reason "…"'],
    options: (command) => command.option('--accept-outage', 'even if callers are refused for a while'),
    run: async ({ api, args, options, show }) => {
      const [issuer, kid] = args as [string, string];
      const body = { kid, ...(options.acceptOutage ? { accept_outage: true } : {}) };
      const revoked = (await (await api()).send('POST', `${pathOf(issuer)}/revoke`, body)) as Item;
      show(revoked, (paint) => document(paint, revoked));
    },
  });
  addVerb(key, outside, {
    usage: 'policy',
    summary: 'Show the key policy: its times, and the arithmetic.',
    examples: ['countersign key policy'],
    run: async ({ api, show }) => {
      const policy = (await (await api()).get('/v1/key-policy')) as Item;
      show(policy, (paint) => document(paint, policy));
    },
  });
}
