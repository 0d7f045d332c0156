// `countersign key`: signing keys, ring by ring; rotate, hold and revoke them.
import type { Command } from 'commander';
import { segment } from './api.ts';
import { addNoun, addVerb } from './command.ts';
import { addDrillCommand } from './key-drill.ts';
import { addHoldCommands } from './key-hold.ts';
import { proofWords } from './key-proof.ts';
import { addPolicyCommands } from './key-policy.ts';
import { addRevokeCommand } from './key-revoke.ts';
import { addRotateCommand } from './key-rotate.ts';
import { addRotationsCommands } from './key-rotations.ts';
import { addSignerCommand } from './key-signer.ts';
import { type Canvas, drawBrief, drawTimeline, nextSteps, type Ring } from './key-timeline.ts';
import type { Outside } from './outside.ts';
import { listOptions, type ListOptions, more, readPages } from './pages.ts';
import { fields, type Paint, table } from './text.ts';

const pathOf = (issuer: string): string => `/v1/keys/${segment(issuer)}`;

/** What --json shows: the facts as the API tells them, and the steps that follow from them. */
function withSteps<P extends { items: Ring[] }>(page: P, now: number): P {
  return { ...page, items: page.items.map((ring) => ({ ...ring, next_steps: nextSteps(ring, now) })) };
}

function ringTable(paint: Paint, rings: readonly Ring[], now: number): string {
  const rows = rings.map((ring) => {
    const { issuer, algorithm, keys, next_rotation_at: next, held_until: held, retired } = ring;
    const active = keys.find((key) => key.state === 'active');
    return [
      issuer,
      algorithm,
      active?.kid,
      active?.signs_from,
      keys.length,
      retired ? 'retired' : held === undefined ? next : `held until ${held}`,
      drawBrief(ring, now),
    ];
  });
  return table(paint, ['ISSUER', 'ALG', 'ACTIVE KEY', 'SIGNS FROM', 'KEYS', 'NEXT ROTATION', 'SIGNED SO FAR'], rows);
}

/** One ring: its fields, its line of time, and each key's times. */
function timeline(whole: Ring, canvas: Canvas): string {
  const { paint } = canvas;
  const { keys, hold, ...ring } = whole;
  const shown = hold === undefined ? ring : { ...ring, held_by: hold.actor, held_because: hold.reason };
  const rows = keys.map((key) => [
    key.kid,
    key.state,
    key.published_at,
    key.seasoned_at,
    key.signs_from,
    key.revoked_at ?? key.removed_at,
    key.proof && proofWords(key.proof),
  ]);
  return `${fields(paint, Object.entries(shown))}\n${drawTimeline(whole, canvas)}\n${table(paint, ['KID', 'STATE', 'PUBLISHED', 'SEASONED', 'SIGNS FROM', 'REMOVED', 'AT AWS STS'], rows)}`;
}

export function addKeyCommands(program: Command, outside: Outside): void {
  const key = addNoun(program, 'key', 'signing keys: what each is and until when; rotate, hold, revoke');

  addVerb<ListOptions>(key, outside, {
    usage: 'list',
    summary: 'List rings: the keys of each issuer.',
    examples: ['countersign key list'],
    options: listOptions,
    run: async ({ api, options, outside, show }) => {
      const page = await readPages<Ring>(await api(), '/v1/keys', {}, options);
      const now = outside.now();
      show(withSteps(page, now), (paint) => ringTable(paint, page.items, now) + more(page));
    },
  });
  addVerb(key, outside, {
    usage: 'show [issuer]',
    summary: 'Show the timeline of an issuer: platform (unless given) or is_….',
    examples: ['countersign key show', 'countersign key show is_… --json'],
    run: async ({ api, args, outside, show }) => {
      const found = (await (await api()).get(pathOf(args[0] ?? 'platform'))) as { items: Ring[] };
      const [now, width] = [outside.now(), outside.stdout.columns ?? 100];
      show(withSteps(found, now), (paint) =>
        found.items.map((ring) => timeline(ring, { paint, now, width })).join('\n'),
      );
    },
  });
  addRotateCommand(key, outside);
  addRotationsCommands(key, outside);
  addHoldCommands(key, outside);
  addRevokeCommand(key, outside);
  addDrillCommand(key, outside);
  addSignerCommand(key, outside);
  addPolicyCommands(key, outside);
}
