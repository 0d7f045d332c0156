// The report of an incident: what was done, what was signed and handed out meanwhile, and what each owner is told.
import { cell } from '../text.ts';
import type { ConnectionFacts, Facts } from './facts.ts';
import type { Notice } from './notice.ts';
import type { Done, Incident, Plan } from './plan.ts';

export interface Report extends Incident {
  written_at: string;
  dry_run: boolean;
  leaked: string[];
  steps: ({ title: string; means: string[] } & Partial<Done>)[];
  outage?: string | undefined;
  contained_at: string;
  /** Whether AWS itself was seen to refuse the key from then on. */
  proved: boolean;
  forgeries_until?: string | undefined;
  besides: string[];
  facts?: Facts | undefined;
  /** The same for every role, but for the session of `session`. */
  deny_policy?: object | undefined;
  notices: Notice[];
}

export function buildReport(
  incident: Incident,
  plan: Plan,
  rest: Pick<Report, 'written_at' | 'dry_run' | 'contained_at' | 'proved' | 'forgeries_until' | 'facts' | 'notices'> & {
    done: readonly Done[];
  },
): Report {
  const { done, ...known } = rest;
  return {
    ...incident,
    ...{ leaked: plan.leaked, outage: plan.outage, besides: plan.besides },
    steps: plan.steps.map(({ title, means }, at) => ({ title, means, ...done[at] })),
    ...known,
    deny_policy: known.notices[0]?.deny_policy,
  };
}

/** The steps as they stand before anything is done. */
export function planText(incident: Incident, { leaked, steps, outage, besides }: Plan): string {
  const lines = [`${incident.id}: ${incident.kind}, known to somebody since ${incident.since} at the earliest.`, ''];
  lines.push(...leaked, '', steps.length === 0 ? 'Nothing has to be done here.' : 'What will be done:');
  for (const [at, { title, means }] of steps.entries())
    lines.push(`  ${at + 1}. ${title}.`, ...means.map((each) => `     ${each}`));
  if (outage !== undefined) lines.push('', `OUTAGE: ${outage}.`);
  lines.push('', 'What people do besides:', ...besides.map((each) => `  - ${each}`), '');
  return lines.join('\n');
}

const cells = (row: readonly unknown[]): string => `| ${row.map(cell).join(' | ')} |`;

function connectionTable(connections: readonly ConnectionFacts[], accounts: ReadonlyMap<string, string>): string[] {
  if (connections.length === 0) return ['No exchange.'];
  return [
    cells([
      'connection',
      'AWS account',
      'exchanges',
      'hand-outs',
      'sessions',
      'unknown',
      'may live',
      'until',
      'workloads',
    ]),
    cells(Array.from({ length: 9 }, () => '---')),
    ...connections.map((each) =>
      cells([
        ...[
          each.connection,
          accounts.get(each.connection),
          each.exchanges,
          each.hand_outs,
          each.sessions + each.dropped,
          each.unknown,
        ],
        ...[each.may_live, each.may_live_until],
        Object.entries(each.workloads)
          .map(([workload, count]) => `${workload} (${count})`)
          .join(', '),
      ]),
    ),
  ];
}

function factLines({ facts, notices }: Report): string[] {
  if (!facts) return ['Nothing was read: nothing that leaked can have been used.'];
  const accounts = new Map(notices.map((notice) => [notice.connection, notice.account_id]));
  const { tokens, forged } = facts;
  const lines = [`${facts.rows_read} rows of the audit log, from ${facts.from} to ${facts.to}.`, ''];
  if (tokens.count > 0) {
    const lives = tokens.may_live_until ? `the last may live until ${tokens.may_live_until}` : 'none can still live';
    lines.push(`**Workload tokens**: ${tokens.count}; ${lives}. By who got them:`);
    lines.push('', ...Object.entries(tokens.workloads).map(([who, count]) => `- ${who}: ${count}`), '');
  }
  lines.push('**Exchanges**', '', ...connectionTable(facts.connections, accounts), '');
  const unknown = facts.connections.reduce((sum, each) => sum + each.unknown, 0);
  if (unknown > 0)
    lines.push(
      `${unknown} without an outcome: whether there is a session is in the account's CloudTrail; they count as sessions that may live.`,
      '',
    );
  if (forged.length > 0) {
    lines.push(
      `**Forged**: ${forged.length + facts.forged_left_out} exchanges and hand-outs with a workload token of which there is no record. It was not minted here.`,
      '',
      ...forged.map(
        (each) => `- ${each.at} ${each.exchange} ${each.workload} -> ${each.connection}, token ${each.token_jti}`,
      ),
      '',
    );
  }
  return lines;
}

/** For people. @param letters the notices in full, where they are few; else they are in files beside it */
export function reportText(report: Report, letters: readonly string[]): string {
  const { id, kind, reason, steps, dry_run: dry, proved, forgeries_until: until } = report;
  const done = steps.map(({ title, at, what, outage_until: outage }, nth) => {
    const said = at === undefined ? `${title}. Not done.` : `${at}: ${what}`;
    return `${nth + 1}. ${said}${outage === undefined ? '' : ` Callers may be refused until ${outage}.`}`;
  });
  return [
    `# ${id}: ${kind}`,
    '',
    `${reason} (written at ${report.written_at}${dry ? '; a dry run: nothing was done' : ''})`,
    '',
    ...report.leaked,
    '',
    '## What was done',
    '',
    ...(done.length === 0 ? ['Nothing had to be done here.'] : done),
    '',
    `Known to somebody since ${report.since} at the earliest; contained at ${report.contained_at}${proved ? ', when AWS was seen to refuse the key' : ''}.`,
    ...(until === undefined || proved
      ? []
      : [`A verifier that holds an older JWKS may accept forgeries until ${until}.`]),
    '',
    '## What was signed and handed out in that time',
    '',
    ...factLines(report),
    '## What people do now',
    '',
    ...report.besides.map((each) => `- ${each}`),
    '',
    ...(report.notices.length > 0
      ? [
          `Notices: ${report.notices.length}, for ${report.notices
            .map((each) => each.connection)
            .slice(0, 50)
            .join(', ')}${report.notices.length > 50 ? ', …' : ''}.`,
          '',
        ]
      : []),
    ...letters.flatMap((letter) => ['---', '', letter]),
  ].join('\n');
}
