// `countersign publish` and `countersign publishing`: discovery and JWKS as static files, in a directory or a bucket.
import type { Command } from 'commander';
import type { Api } from '../api.ts';
import type { Call } from '../call.ts';
import { addNoun, addVerb } from '../command.ts';
import { Failure, usage } from '../failure.ts';
import { integer } from '../options.ts';
import type { Outside } from '../outside.ts';
import { renewedApi } from '../renewed.ts';
import { fields, type Paint, table } from '../text.ts';
import type { PassResult } from './pass.ts';
import { publishOn, publishOnce, type Publisher } from './run.ts';
import { openTarget, parsePlace } from './target.ts';

interface Target {
  id: string;
  target: string;
  since: string;
  ended_at?: string;
  passed_at?: string;
  verified_at?: string;
  publisher?: string;
}

interface PublishOptions {
  to: string;
  watch?: true;
  every: number;
  verify?: true;
  reason?: string;
}

const TARGETS = '/v1/publishing/targets';

const list = async (api: Api): Promise<Target[]> => ((await api.get(TARGETS)) as { items: Target[] }).items;

/** @throws Failure `publishing_off` with what to run */
async function findOpen(api: Api, name: string): Promise<Target> {
  const found = (await list(api)).find((one) => one.target === name && one.ended_at === undefined);
  if (found) return found;
  throw new Failure('publishing_off', `Publishing to ${name} is not on.`, {
    hint: `Turn it on first: countersign publishing on --to ${name} --reason "…".`,
  });
}

const sentence = ({ issuers, written, verified }: PassResult): string =>
  `${written === 0 ? 'Nothing was to be written' : `${written} ${written === 1 ? 'document' : 'documents'} written`}; ` +
  `${issuers} ${issuers === 1 ? 'issuer' : 'issuers'} looked at${verified ? ', and every document in place' : ''}.\n`;

async function publish(call: Call<PublishOptions>): Promise<void> {
  const { options, outside, note, show } = call;
  const place = parsePlace(options.to);
  const api = await renewedApi(call);
  const { id } = await findOpen(api, place.name);
  const target = await openTarget(place, outside.env);
  let told = outside.now();
  const publisher: Publisher = {
    ...{ api, target, id, now: outside.now },
    progress: (looked, total, written) => {
      if (looked >= total || outside.now() - told < 2000) return;
      told = outside.now();
      note(`${looked} of ${total} issuers, ${written} documents written`);
    },
  };
  const shown = (result: PassResult): void => show({ target: place.name, ...result }, () => sentence(result));
  const verify = options.verify === true;
  try {
    if (!options.watch) return shown(await publishOnce(publisher, verify));
    const pace = { verify, everyMs: options.every * 1000, sleep: outside.sleep, stopped: outside.stopped() };
    await publishOn(publisher, pace, {
      passed: (result) => {
        if (result.written > 0 || result.verified) shown(result);
      },
      failed: ({ code, message, hint }) => note(`${message} [${code}]${hint === undefined ? '' : ` ${hint}`}`),
    });
  } finally {
    target.close();
  }
}

function addPublish(program: Command, outside: Outside): void {
  addVerb<PublishOptions>(program, outside, {
    usage: 'publish',
    summary: 'Put discovery and JWKS of all issuers in a directory or a bucket.',
    about: [
      'Only what changed is written, revoked keys first; each document whole, over what is known to stand there.',
      'A standby key signs only after it is in place there, see docs/publishing.md. Ends after one pass, or goes on with',
      '--watch: one publisher at a time, others wait. Needs the scopes keys:read and keys:publish.',
      'Region and credentials of a bucket are those of the environment (AWS_REGION, AWS_PROFILE, a role).',
    ].join('\n'),
    changes: true,
    examples: [
      'countersign publish --to s3://id-example-com --watch',
      'countersign publish --to /srv/www/id --reason "after INC-42"',
    ],
    options: (command) =>
      command
        .requiredOption('--to <target>', 'a directory, or s3://bucket/prefix')
        .option('--watch', 'go on, and put in place what changes')
        .option('--every <seconds>', 'with --watch: how often it looks', integer(1, 3600), 5)
        .option('--verify', 'look at every document in place now; done each day by itself'),
    run: publish,
  });
}

function targetTable(paint: Paint, targets: readonly Target[]): string {
  const rows = targets.map((one) => [
    one.target,
    one.since,
    one.ended_at,
    one.passed_at,
    one.verified_at,
    one.publisher,
  ]);
  return table(paint, ['TARGET', 'ON SINCE', 'OFF SINCE', 'IN PLACE AS OF', 'LOOKED AT', 'PUBLISHER'], rows);
}

function requireReason(options: { reason?: string }): void {
  if (options.reason === undefined)
    throw usage('--reason is missing.', 'Add --reason "…"; it is kept in the audit log.');
}

export function addPublishCommands(program: Command, outside: Outside): void {
  addPublish(program, outside);
  const publishing = addNoun(program, 'publishing', 'where documents are published as files: on, off, how far');
  const to = (command: Command): Command =>
    command.requiredOption('--to <target>', 'a directory, or s3://bucket/prefix');
  addVerb(publishing, outside, {
    usage: 'list',
    summary: 'List where documents are published, and how far each copy is.',
    examples: ['countersign publishing list'],
    run: async ({ api, show }) => {
      const items = await list(await api());
      show({ items }, (paint) => targetTable(paint, items));
    },
  });
  addVerb<{ to: string; reason?: string }>(publishing, outside, {
    usage: 'on',
    summary: 'Publish there from now on: no standby key signs before it is in place.',
    about: 'Run countersign publish before ISSUER_URL leads there. Needs the scope keys:rotate.',
    changes: true,
    examples: ['countersign publishing on --to s3://id-example-com --reason "static documents"'],
    options: to,
    run: async ({ api, options, show }) => {
      requireReason(options);
      const body = { target: parsePlace(options.to).name };
      const made = (await (await api()).create(TARGETS, body)) as Target;
      show(made, (paint) => fields(paint, Object.entries(made)));
    },
  });
  addVerb<{ to: string; reason?: string }>(publishing, outside, {
    usage: 'off',
    summary: 'Publish there no more: what is there stays, and no key waits for it.',
    about:
      'First let ISSUER_URL lead elsewhere for as long as verifiers keep a JWKS (A): a copy that nobody writes is old soon.',
    changes: true,
    examples: ['countersign publishing off --to s3://id-example-com --reason "moved to another bucket"'],
    options: to,
    run: async ({ api, options, show }) => {
      requireReason(options);
      const called = await api();
      const { id } = await findOpen(called, parsePlace(options.to).name);
      const ended = (await called.send('POST', `${TARGETS}/${id}/end`)) as Target;
      show(ended, (paint) => fields(paint, Object.entries(ended)));
    },
  });
}
