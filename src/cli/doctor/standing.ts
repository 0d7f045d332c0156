// What the service says of itself: whether it is sealed, and what it last saw of its own documents from outside.
import type { Api } from '../api.ts';
import { type Check, type Finding, ok } from './findings.ts';

export interface Standing {
  sealed: boolean;
  sealed_at?: string;
  sealed_by?: string;
  sealed_as?: string;
  reason?: string;
  /** Missing before the first look. */
  documents?: {
    checked_at: string;
    reached: boolean;
    took_ms: number;
    findings: { code: string; severity: 'error' | 'warning'; url: string; detail: string; hint: string }[];
  };
}

/** It looks each minute: one that old is the last of a task that no longer runs. */
const STALE_MS = 5 * 60_000;

export const readStanding = async (api: Api): Promise<Standing> => (await api.get('/v1/service')) as Standing;

export function checkSeal(standing: () => Promise<Standing>): Check {
  const code = 'seal';
  return {
    code,
    look: async () => {
      const { sealed, sealed_at: at, sealed_by: by, sealed_as: as, reason } = await standing();
      if (!sealed) return [ok(code, 'The service is not sealed.')];
      const who = as === undefined ? by : `${by} (${as})`;
      return [
        {
          ...{ code, severity: 'failure' },
          detail: `The service is sealed since ${at} by ${who}: no token and no credentials. Their reason: ${reason}`,
          hint: 'When the reason has passed: `countersign unseal --reason "…"`, with service:seal or on the host.',
        },
      ];
    },
  };
}

export function checkOwnLook(standing: () => Promise<Standing>, now: () => number): Check {
  const code = 'self_check';
  return {
    code,
    look: async () => {
      const { documents } = await standing();
      const warn = (detail: string, hint: string): Finding[] => [{ code, severity: 'warning', detail, hint }];
      if (!documents)
        return warn(
          'The service has not looked at its own documents yet.',
          'It does so when it starts: ask again in a minute.',
        );
      const { checked_at: at, took_ms: took, findings } = documents;
      if (now() - Date.parse(at) > STALE_MS)
        return warn(
          `The service last looked at its own documents at ${at}.`,
          'It does so each minute: look for `look at our own documents from outside` in its log, and at both clocks.',
        );
      if (findings.length === 0) return [ok(code, `The service reads its own documents from outside, in ${took} ms.`)];
      return findings.map((finding) => ({
        ...{ code: `${code}_${finding.code}`, severity: finding.severity === 'error' ? 'failure' : 'warning' },
        ...{ subject: finding.url, detail: `From the service's own host: ${finding.detail}`, hint: finding.hint },
      }));
    },
  };
}
