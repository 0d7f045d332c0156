// `countersign doctor`: a deployment looked at from outside and from inside, each finding with what to do.
import type { Command } from 'commander';
import { addVerb } from '../command.ts';
import { EXIT, Failure } from '../failure.ts';
import { collect, integer } from '../options.ts';
import type { Outside } from '../outside.ts';
import { clean, type Format, type Paint } from '../text.ts';
import { type CallerOptions, examineCaller } from './caller.ts';
import { type DoctorOptions, examine } from './examine.ts';
import type { Report, Severity } from './findings.ts';

const COLOURS: Record<Severity, Format> = { ok: 'green', warning: 'yellow', failure: 'red' };

function text(paint: Paint, { findings, not_looked_at: unseen }: Report): string {
  const lines = findings.flatMap(({ code, severity, subject, detail, hint }) => [
    `${paint(COLOURS[severity], severity.padEnd(7))}  ${clean(detail)} ${paint('dim', `[${clean(code)}]${subject ? ` ${clean(subject)}` : ''}`)}`,
    ...(hint ? [`         do: ${clean(hint)}`] : []),
  ]);
  const missing = unseen.flatMap(({ detail, hint }) => [`  ${clean(detail)}`, `         do: ${clean(hint)}`]);
  return `${[...lines, ...(missing.length > 0 ? ['', 'Not looked at:', ...missing] : [])].join('\n')}\n`;
}

export function addDoctorCommand(program: Command, outside: Outside): void {
  addVerb<DoctorOptions & CallerOptions>(program, outside, {
    usage: 'doctor',
    summary: 'Look at a deployment from outside and from inside, and say what to do.',
    about: [
      'From outside: discovery and JWKS of the platform issuer and of some connection issuers, as AWS fetches them.',
      'From inside: the service, what it is ready for, whether it is sealed, what it saw of its own documents, clocks,',
      'certificate, signing keys and their policy, the template;',
      'on the host, with the environment of the service, also its configuration, key-encryption key and database.',
      'From the side of a caller, instead: with --clients, which credentials the AWS CLI, the JavaScript SDK, boto3 and the Go',
      'SDK would take in this environment and why, and what the endpoint for containers gives them; with --connection, the token,',
      'the grant, the trust and STS of one connection. Both ask for real where they can: a hand-out is on record.',
      'What it cannot look at it says. It changes nothing. For monitoring: 0 when all is well, 1 when something fails,',
      '5 when there are warnings alone; with --json each finding has a stable code.',
    ].join('\n'),
    examples: [
      'countersign doctor',
      'COUNTERSIGN_URL=https://id.internal.example.com countersign doctor --json',
      'countersign doctor --issuer https://id.example.com',
      'countersign doctor --clients --connection prod-eu',
    ],
    options: (command) =>
      command
        .option('--issuer <url>', 'look at this issuer, too (again for more)', collect)
        .option('--connection-issuers <n>', 'how many connection issuers to look at', integer(0, 50), 3)
        .option('--template-url <url>', 'where the template is published (default: $TEMPLATE_URL)')
        .option('--clients', 'which credentials AWS clients take here, and why')
        .option(
          '--connection <connection>',
          'get credentials of this connection as a workload, and name the step that fails',
        )
        .option('--purpose <purpose>', 'chooses the grant, with --connection'),
    run: async (call) => {
      const { clients, connection } = call.options;
      const report = await (clients || connection !== undefined ? examineCaller(call) : examine(call));
      call.show(report, (paint) => text(paint, report));
      if (report.status === 'ok') return;
      const count = (severity: Severity): number =>
        report.findings.filter((finding) => finding.severity === severity).length;
      throw new Failure(
        report.status === 'failure' ? 'doctor_failures' : 'doctor_warnings',
        `${count('failure')} failures, ${count('warning')} warnings.`,
        { exit: report.status === 'failure' ? EXIT.failed : EXIT.warned },
      );
    },
  });
}
