// What is wrong with an answer before its members count: status, type, size, JSON, speed, the certificate's end.
import { renewBy } from './renewal.ts';
import { finding, type Finding } from './findings.ts';
import type { Answer } from './stranger.ts';

export const SLOW_MS = 1_000;

const STATUS_HINTS: Record<number, string> = {
  403: 'something in front forbids it: a firewall for web applications, a rule for countries or robots',
  404: 'the path does not get through to the service, or it is not the service of this issuer',
  421: 'the Host header that arrives at the service is another: pass it on unchanged, or name it in ALLOWED_HOSTS',
  429: 'something in front limits requests: AWS fails when it is limited',
  502: 'what stands in front does not reach the service',
  503: 'the service, or what stands in front, serves no documents now: see /readyz',
  504: 'what stands in front does not reach the service',
};

export interface Judged {
  findings: Finding[];
  /** The document, where it is a JSON object. */
  document: Record<string, unknown> | undefined;
}

/** The end of a certificate and the speed, which do not depend on what was answered. */
function judgeWay(url: string, answer: Answer, tookMs: number, wall: number): Finding[] {
  const findings: Finding[] = [];
  const term = answer.certificate;
  if (term && wall >= term.until) findings.push(finding('tls_expired', url, 'The certificate has expired.'));
  else if (term && wall >= renewBy(term))
    findings.push(finding('tls_expires_soon', url, `The certificate ends at ${new Date(term.until).toISOString()}.`));
  if (tookMs > SLOW_MS) findings.push(finding('slow', url, `The answer took ${Math.round(tookMs)} ms.`));
  return findings;
}

function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

export function judgeAnswer(url: string, answer: Answer, tookMs: number, wall: number): Judged {
  const findings = judgeWay(url, answer, tookMs, wall);
  const { status, contentType, body } = answer;
  const refuse = (...args: Parameters<typeof finding>): Judged => ({
    findings: [...findings, finding(...args)],
    document: undefined,
  });
  if (status >= 300 && status < 400)
    return refuse('redirected', url, `The answer is ${status}, to ${answer.location?.slice(0, 300) ?? 'nowhere'}.`);
  if (status !== 200) {
    const why = STATUS_HINTS[status];
    return refuse('status_unexpected', url, `The answer is ${status}, not 200${why ? `: ${why}` : ''}.`);
  }
  // RFC 7517 has a type of its own for key sets; verifiers take both.
  if (!/^application\/(jwk-set\+)?json\s*(;|$)/i.test(contentType ?? ''))
    findings.push(
      finding('content_type_wrong', url, `The content type is ${contentType?.slice(0, 100) ?? 'missing'}.`),
    );
  if (body === undefined) return refuse('too_large', url, 'The body has more than 256 kB.');
  const document = parseObject(body);
  return document ? { findings, document } : refuse('not_json', url, 'The body is not a JSON object.');
}
