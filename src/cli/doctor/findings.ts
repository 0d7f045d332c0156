// What the doctor found: a stable code, how bad it is, a sentence, and what to do; and what it could not look at.

export type Severity = 'ok' | 'warning' | 'failure';

export interface Finding {
  /** Stable: monitoring may go by it. */
  code: string;
  severity: Severity;
  /** What was looked at: a URL, an issuer, a variable. */
  subject?: string;
  detail: string;
  hint?: string;
}

/** What was not looked at, why, and what it takes. */
export interface Unseen {
  code: string;
  detail: string;
  hint: string;
}

export interface Report {
  status: Severity;
  findings: Finding[];
  not_looked_at: Unseen[];
}

/** One look. Throwing is allowed: it becomes a finding of the check's own code. */
export interface Check {
  code: string;
  look(): Promise<readonly Finding[]>;
}

const RANK: Record<Severity, number> = { failure: 0, warning: 1, ok: 2 };

export const ok = (code: string, detail: string, subject?: string): Finding => ({
  ...{ code, severity: 'ok' as const, detail },
  ...(subject === undefined ? {} : { subject }),
});

/** The worst first; within one severity as they were found. */
export function writeReport(findings: readonly Finding[], unseen: readonly Unseen[]): Report {
  const sorted = findings.toSorted((a, b) => RANK[a.severity] - RANK[b.severity]);
  return { status: sorted[0]?.severity ?? 'ok', findings: sorted, not_looked_at: [...unseen] };
}
