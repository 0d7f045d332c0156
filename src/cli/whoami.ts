// `countersign whoami`: who the service takes this caller for.
import type { Command } from 'commander';
import { addVerb } from './command.ts';
import { describeSignIn } from './login/kept.ts';
import type { Outside } from './outside.ts';
import { findSource } from './source.ts';
import { fields } from './text.ts';

export function addWhoamiCommand(program: Command, outside: Outside): void {
  addVerb(program, outside, {
    usage: 'whoami',
    summary: 'Show who the service takes you for.',
    examples: [
      'countersign whoami',
      'COUNTERSIGN_URL=https://id.internal.example.com COUNTERSIGN_CLIENT_ID=wl_… COUNTERSIGN_PRIVATE_KEY_FILE=billing.pem countersign whoami --json',
    ],
    run: async ({ api, options, show }) => {
      const answer = (await (await api()).get('/v1/whoami')) as Record<string, unknown>;
      // As it is now: it may have been renewed for this.
      const source = findSource(outside.env, options);
      const whoami = source?.kind === 'person' ? { ...answer, ...describeSignIn(source.signIn) } : answer;
      show(whoami, (paint) => fields(paint, Object.entries(whoami)));
    },
  });
}
